"""The strict configuration: nothing missing, nothing unknown, nothing guessed."""

import copy
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ltx_port.checkpoint.config import CheckpointConfig, parse_config
from ltx_port.checkpoint.supported import _ONLY
from ltx_port.errors import InputError
from parity.ltx23.configs import CONFIG_NAMES, config_text

REAL = json.loads(config_text("ltx-2.3-22b"))
TINY = json.loads(config_text("tiny"))


def _walk(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*path, key))


OBJECTS = [path for path, value in _walk(REAL) if isinstance(value, dict)]
LEAVES = [path for path, value in _walk(REAL) if not isinstance(value, dict)]
KEYS = [path for path, _ in _walk(REAL) if path]
WHOLE_NUMBERS = [path for path, value in _walk(REAL) if type(value) is int]
SWITCHES = [path for path, value in _walk(REAL) if type(value) is bool]


def _changed(path: tuple[str, ...], value: object, base: object = REAL) -> str:
    config = copy.deepcopy(base)
    place = config
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(config)


def _refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_config(text, "a file: config")
    assert "\n" not in str(caught.value)
    assert caught.value.where == "a file: config"
    assert caught.value.expected
    assert caught.value.next_step
    return caught.value


def _same_kinds(left: object, right: object) -> bool:
    """Equality that tells 1 from 1.0 and from True."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same_kinds(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same_kinds, left, right))
    return left == right


@pytest.mark.parametrize("name", CONFIG_NAMES)
def test_a_configuration_is_written_back_with_the_same_keys_and_kinds_of_number(name):
    text = config_text(name)
    assert _same_kinds(json.loads(parse_config(text, name).to_json()), json.loads(text))


def test_what_is_written_back_can_be_read_again():
    config = parse_config(config_text("tiny"), "tiny")
    assert parse_config(config.to_json(), "tiny") == config


def test_an_absent_audio_width_is_the_official_default_and_stays_absent():
    config = parse_config(json.dumps(REAL), "real")
    assert "audio_in_channels" not in REAL["transformer"]
    assert config.transformer.resolved_audio_in_channels == 128
    assert "audio_in_channels" not in json.loads(config.to_json())["transformer"]


def test_a_stated_audio_width_is_taken():
    assert parse_config(json.dumps(TINY), "tiny").transformer.resolved_audio_in_channels == 32


def test_a_null_audio_width_is_not_an_absent_one():
    assert "transformer.audio_in_channels" in _refusal(_changed(("transformer", "audio_in_channels"), None)).got


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_a_missing_key_is_refused_by_its_full_name(path):
    config = copy.deepcopy(REAL)
    place = config
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    assert _refusal(json.dumps(config)).got == f"missing key {'.'.join(path)}"


@pytest.mark.parametrize("path", OBJECTS, ids=".".join)
def test_an_unknown_key_is_refused_by_its_full_name(path):
    assert _refusal(_changed((*path, "flash"), True)).got == f"unknown key {'.'.join((*path, 'flash'))}"


@pytest.mark.parametrize("path", LEAVES, ids=".".join)
def test_a_value_of_another_type_is_refused_by_its_full_name(path):
    assert _refusal(_changed(path, {"some": "object"})).got.startswith(f"{'.'.join(path)} is ")


@pytest.mark.parametrize("path", WHOLE_NUMBERS, ids=".".join)
def test_no_number_is_taken_from_a_switch_or_a_text(path):
    for value in (True, "1"):
        assert _refusal(_changed(path, value)).got == f"{'.'.join(path)} is {value!r}"


@pytest.mark.parametrize("path", SWITCHES, ids=".".join)
def test_no_switch_is_taken_from_a_number_or_a_text(path):
    for value in (1, 0, "true"):
        assert _refusal(_changed(path, value)).got == f"{'.'.join(path)} is {value!r}"


def _another(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return {str: "another", type(None): 7, tuple: [8]}[type(value)]


@pytest.mark.parametrize("key", _ONLY)
def test_a_value_that_the_port_does_not_compute_is_refused_by_key_and_expectation(key):
    refusal = _refusal(_changed(tuple(key.split(".")), _another(_ONLY[key])))
    assert refusal.got.startswith(f"{key} is ")
    assert refusal.expected == repr(_ONLY[key])


# (changed key, its new value, the equality that is the first to break, where that is not named by the key)
CONTRADICTIONS = [
    ("transformer.audio_num_attention_heads", 16, None),
    ("transformer.cross_attention_dim", 2048, None),
    ("transformer.audio_cross_attention_dim", 4096, None),
    ("transformer.connector_num_attention_heads", 30, None),
    ("transformer.audio_connector_num_attention_heads", 30, None),
    ("transformer.in_channels", 64, None),
    ("transformer.out_channels", 64, None),
    ("transformer.audio_in_channels", 64, None),
    ("transformer.audio_out_channels", 64, None),
    ("audio_vae.model.params.ddconfig.ch", 64, None),
    ("audio_vae.preprocessing.audio.sampling_rate", 44100, None),
    ("audio_vae.preprocessing.mel.n_mel_channels", 80, None),
    ("vocoder.bwe.num_mels", 80, None),
    ("vocoder.bwe.input_sampling_rate", 24000, None),
    ("vocoder.bwe.output_sampling_rate", 48001, None),
    ("vocoder.vocoder.upsample_rates", [5, 2, 2, 2, 2, 3], "product of vocoder.vocoder.upsample_rates"),
    ("vocoder.bwe.upsample_rates", [6, 5, 2, 2, 3], "product of vocoder.bwe.upsample_rates"),
    ("vocoder.bwe.hop_length", 90, "product of vocoder.bwe.upsample_rates"),
    ("vocoder.vocoder.upsample_kernel_sizes", [11, 4], "length of vocoder.vocoder.upsample_kernel_sizes"),
    ("vocoder.bwe.resblock_dilation_sizes", [[1, 3, 5]], "length of vocoder.bwe.resblock_dilation_sizes"),
]


@pytest.mark.parametrize(("key", "value", "broken"), CONTRADICTIONS)
def test_keys_that_contradict_each_other_are_refused(key, value, broken):
    # Which of the two keys is wrong cannot be known: the refusal names one and says what it must equal.
    refusal = _refusal(_changed(tuple(key.split(".")), value))
    assert refusal.got.startswith(broken or key)
    assert "(" in refusal.expected


def test_mel_bins_are_a_multiple_of_four():
    config = copy.deepcopy(REAL)
    config["audio_vae"]["model"]["params"]["ddconfig"]["mel_bins"] = 66
    config["audio_vae"]["preprocessing"]["mel"]["n_mel_channels"] = 66
    config["vocoder"]["bwe"]["num_mels"] = 66
    assert _refusal(json.dumps(config)).got == "audio_vae.model.params.ddconfig.mel_bins modulo 4 is 2"


def test_an_odd_head_width_is_refused():
    text = _changed(("transformer", "audio_attention_head_dim"), 63)
    config = json.loads(text)
    config["transformer"] |= {"audio_cross_attention_dim": 32 * 63, "audio_connector_attention_head_dim": 63}
    assert "audio_attention_head_dim" in _refusal(json.dumps(config)).got


@pytest.mark.parametrize("block", [["res_x", {"multiplier": 2}], ["res_x", {}], ["compress_all", {"num_layers": 2}]])
def test_a_block_of_the_video_decoder_takes_its_own_parameter_alone(block):
    assert "vae.decoder_blocks.0" in _refusal(_changed(("vae", "decoder_blocks"), [block])).got


def test_several_faults_are_counted_behind_the_first():
    config = copy.deepcopy(REAL)
    del config["transformer"]["dropout"], config["vae"]["dims"], config["scheduler"]
    assert _refusal(json.dumps(config)).got == "missing key transformer.dropout (and 2 more)"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"transformer": NaN}', "[" * 100_000, '"\\ud800"'])
def test_text_that_is_not_a_configuration_is_refused(text):
    _refusal(text)


def test_a_key_given_twice_is_refused():
    assert "'dropout' is given twice" in _refusal('{"transformer": {"dropout": 0.0, "dropout": 0.1}}').got


@pytest.mark.parametrize("value", ["Infinity", "-Infinity", "NaN", "1e999"])
def test_a_number_that_is_not_finite_is_refused(value):
    text = json.dumps(REAL).replace('"norm_eps": 1e-06', f'"norm_eps": {value}')
    assert text != json.dumps(REAL)
    _refusal(text)


def test_a_configuration_cannot_be_changed_once_it_is_read():
    config = parse_config(config_text("tiny"), "tiny")
    with pytest.raises(ValidationError):
        config.transformer.num_layers = 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_no_json_value_whatever_ends_in_anything_but_a_refusal(value):
    _refusal(json.dumps(value))


def test_the_model_has_exactly_one_default():
    def defaults(model: type) -> Iterator[str]:
        for name, field in model.model_fields.items():
            if not field.is_required():
                yield name
            if hasattr(field.annotation, "model_fields"):
                yield from defaults(field.annotation)

    assert list(defaults(CheckpointConfig)) == ["audio_in_channels"]
