"""The `audio_vae` and `vocoder` sections of a checkpoint's configuration."""

from ltx_port.checkpoint.section import Count, Depth, Number, PositiveNumber, Section


class AudioLatentConfig(Section):
    """The audio encoder and decoder between mel frames and latent."""

    double_z: bool
    mel_bins: Count
    z_channels: Count
    resolution: Count
    downsample_time: bool
    in_channels: Count
    out_ch: Count
    ch: Count
    ch_mult: tuple[Count, ...]
    num_res_blocks: Depth
    attn_resolutions: tuple[Count, ...]
    dropout: Number
    mid_block_add_attention: bool
    norm_type: str
    causality_axis: str


class AudioModelParams(Section):
    """The audio autoencoder and its sampling rate in Hz."""

    ddconfig: AudioLatentConfig
    sampling_rate: Count


class AudioModelConfig(Section):
    """The nesting that the file has around the parameters."""

    params: AudioModelParams


class WaveformConfig(Section):
    """The waveform before the mel transform: Hz, seconds, and padding in frames."""

    sampling_rate: Count
    max_wav_value: PositiveNumber
    duration: PositiveNumber
    stereo: bool
    causal_padding: Count


class StftConfig(Section):
    """The short-time Fourier transform, in samples."""

    filter_length: Count
    hop_length: Count
    win_length: Count
    causal: bool


class MelConfig(Section):
    """The mel filter bank, limits in Hz."""

    n_mel_channels: Count
    mel_fmin: Number
    mel_fmax: PositiveNumber


class PreprocessingConfig(Section):
    """How a waveform becomes mel frames."""

    audio: WaveformConfig
    stft: StftConfig
    mel: MelConfig


class AudioVaeConfig(Section):
    """The audio autoencoder and what comes before it."""

    model: AudioModelConfig
    preprocessing: PreprocessingConfig


class GeneratorConfig(Section):
    """A waveform generator: mel frames in, samples out."""

    upsample_initial_channel: Count
    resblock: str
    upsample_rates: tuple[Count, ...]
    resblock_kernel_sizes: tuple[Count, ...]
    upsample_kernel_sizes: tuple[Count, ...]
    resblock_dilation_sizes: tuple[tuple[Count, ...], ...]
    stereo: bool
    use_tanh_at_final: bool
    activation: str
    use_bias_at_final: bool


class BandwidthConfig(GeneratorConfig):
    """The generator that extends the bandwidth: rates in Hz, windows in samples."""

    apply_final_activation: bool
    input_sampling_rate: Count
    output_sampling_rate: Count
    hop_length: Count
    n_fft: Count
    win_size: Count
    num_mels: Count


class VocoderConfig(Section):
    """The generator of the 16 kHz waveform and the one that extends it."""

    vocoder: GeneratorConfig
    bwe: BandwidthConfig
