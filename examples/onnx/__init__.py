"""One block of the transformer and the vocoder in onnxruntime, judged as any foreign port is."""
