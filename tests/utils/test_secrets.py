import pytest
import yaml
from tests.support.project import REPOSITORY

from lexipix.utils.secrets import without_secret_values, without_secrets


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("at http://me:pass word@host", "at http://me:pass word@host"),  # no address
        ("https://user:p%40ss@host:5000/x", "https://***@host:5000/x"),
        ("https://token@host", "https://***@host"),
        ("git@host:me/project.git", "git@host:me/project.git"),
        ("s3://bucket/a@2x.png", "s3://bucket/a@2x.png"),
        ("x?X-Amz-Signature=abc&Security-Token=d&n=1", "x?X-Amz-Signature=***&Security-Token=***&n=1"),
        ("kedro run --params=run.seed=7", "kedro run --params=run.seed=7"),
    ],
)  # fmt: skip
def test_passwords_and_tokens_of_addresses_are_left_out(text, left):
    assert without_secrets(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("hf_token: abc   # mine\n", 'hf_token: "***"   # mine\n'),
        ("store: {password: 'x y', n: 3, apiKey: \"q\"}", 'store: {password: "***", n: 3, apiKey: "***"}'),
        ("pem_key: |\n  one\n  two\nafter: 1\n", 'pem_key: "***"\nafter: 1\n'),
        ("credentials:\n  - one\n  - user: two\n", 'credentials:\n  - "***"\n  - user: "***"\n'),
        ('{"Secret": "x", "a": [1]}', '{"Secret": "***", "a": [1]}'),
        ("a: {token: &t x}\nb: {token: *t}\n", 'a: {token: "***"}\nb: {token: *t}\n'),
        ("é: 1\r\ntoken: x\r\n", 'é: 1\r\ntoken: "***"\r\n'),
    ],
)
def test_values_of_keys_that_name_a_secret_are_masked(text, left):
    assert without_secret_values(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens: 3\ntokenizer: {vocabulary: 4}\ntokens: {enabled: true}\nmonkey: 4\nkeys: [a]\n",
        "key:\ntoken: null\nhf_token: true\nsecret: ${oc.env:SECRET}\npassword: ''\n",
        "",
    ],
)
def test_other_values_stay(text):
    assert without_secret_values(text) == text


def test_values_that_are_known_already_stay():
    assert (
        without_secret_values("token: abc\npassword: d\n", "old_token: abc")
        == 'token: abc\npassword: "***"\n'
    )


def test_what_is_no_yaml_is_an_error():
    with pytest.raises(yaml.YAMLError):
        without_secret_values("token: [")


def test_no_key_of_our_own_configuration_is_taken_for_a_secret():
    for file in (REPOSITORY / "conf").glob("*/*.yml"):
        text = file.read_text(encoding="utf-8")
        assert file.parent.name == "local" or without_secret_values(text) == text, file
