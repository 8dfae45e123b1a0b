"""Pictures that condition a clip: from a file, through the losses of a video, to the clip's size and range."""

from ltx_port.picture.conditioning import DEFAULT_CRF, PictureConditioning
from ltx_port.picture.file import read_picture
from ltx_port.picture.still import check_crf

__all__ = ["DEFAULT_CRF", "PictureConditioning", "check_crf", "read_picture"]
