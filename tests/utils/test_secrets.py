import pytest

from lexipix.utils.secrets import without_secrets


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
