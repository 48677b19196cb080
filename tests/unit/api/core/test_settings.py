from __future__ import annotations

import pytest
from pydantic import ValidationError

from api.core.settings import EncryptionSettings, WebSettings

GOOD = {"database_url": "postgresql://somebody:hidden@127.0.0.1/x", "session_secret": "s" * 32}


def test_short_secret_is_refused() -> None:
    with pytest.raises(ValidationError, match="session_secret"):
        WebSettings.model_validate(GOOD | {"session_secret": "short"})


def test_unknown_zone_is_refused() -> None:
    with pytest.raises((ValidationError, KeyError)):
        WebSettings.model_validate(GOOD | {"timezone": "America/Nowhere"})


@pytest.mark.parametrize(
    ("value", "networks"),
    [
        ("none", []),
        ("", []),
        ("192.0.2.1", ["192.0.2.1/32"]),
        (" 10.0.0.0/8, 2001:db8::/32", ["10.0.0.0/8", "2001:db8::/32"]),
    ],
)
def test_trusted_proxies_are_addresses_and_networks(
    value: str, networks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARDS_TRUSTED_PROXIES", value)
    assert [str(one) for one in WebSettings.model_validate(GOOD).trusted_proxies] == networks


@pytest.mark.parametrize("value", ["proxy.example", "10.0.0.0/8;10.1.0.0/8", "10.0.0.1/8", ","])
def test_trusted_proxies_that_are_none_are_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        WebSettings.model_validate(GOOD | {"trusted_proxies": value})


def test_settings_show_no_secret() -> None:
    assert "hidden" not in repr(WebSettings.model_validate(GOOD))


def test_field_keys_are_shown_neither_by_the_settings_nor_by_their_errors() -> None:
    settings = EncryptionSettings.model_validate({"field_keys": "hidden"})
    assert settings.field_keys.get_secret_value() == "hidden"
    assert "hidden" not in repr(settings)
    with pytest.raises(ValidationError, match="field_keys") as refused:
        EncryptionSettings.model_validate({"field_keys": ["hidden"]})
    assert "hidden" not in str(refused.value)
