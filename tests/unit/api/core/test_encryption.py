from __future__ import annotations

import base64
import hashlib
import threading

import pytest

from api.core.encryption import FORMAT, PREFIX_BYTES, FieldCipher, new_key
from api.core.errors import DecryptionError, FieldKeysError
from streams.errors import RewardsError, SettingsError

OLD, NEW = bytes(range(64)), bytes(range(64, 128))
PLACE = "prize_redemptions.passport_number 17"
PASSPORT = "P1234567"


def text_of(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode()


@pytest.mark.parametrize("value", ["", "P1234567", "1975-07-04", "Jöe €™", "\x00", "x" * 100_000])
def test_value_comes_back(value: str) -> None:
    cipher = FieldCipher([OLD])
    assert cipher.decrypt(cipher.encrypt(value, PLACE), PLACE) == value


def test_stored_form_stays_the_same() -> None:
    # What is in databases today: another version of this program has to read it, and a repeated migration to write it.
    stored = "01fdeab9ac883da98337fe66c2ed218ac6da18fed7f56bbabb12a46d4c"
    assert FieldCipher([OLD]).encrypt(PASSPORT, PLACE).hex() == stored
    assert FieldCipher([OLD]).decrypt(bytes.fromhex(stored), PLACE) == PASSPORT


def test_stored_form_begins_with_its_format_and_the_keys_id() -> None:
    stored = FieldCipher([OLD, NEW]).encrypt(PASSPORT, PLACE)
    assert stored[:PREFIX_BYTES] == bytes([FORMAT]) + hashlib.sha256(OLD).digest()[:4]
    assert PASSPORT.encode() not in stored


def test_same_value_is_the_same_bytes_at_its_place_and_others_elsewhere() -> None:
    cipher = FieldCipher([OLD])
    here = cipher.encrypt(PASSPORT, PLACE)
    assert here == FieldCipher([OLD]).encrypt(PASSPORT, PLACE)
    elsewhere = {cipher.encrypt(PASSPORT, f"prize_redemptions.passport_number {number}") for number in range(17)}
    assert len(elsewhere) == 17
    assert here not in elsewhere


def test_value_of_another_place_does_not_decrypt() -> None:
    cipher = FieldCipher([OLD])
    with pytest.raises(DecryptionError, match="belongs to another place") as refused:
        cipher.decrypt(cipher.encrypt(PASSPORT, PLACE), "prize_redemptions.passport_number 18")
    assert refused.value.place == "prize_redemptions.passport_number 18"
    assert isinstance(refused.value, RewardsError)


def test_change_of_any_byte_is_noticed() -> None:
    cipher = FieldCipher([OLD])
    stored = cipher.encrypt(PASSPORT, PLACE)
    for at in range(len(stored)):
        changed = bytearray(stored)
        changed[at] ^= 1
        with pytest.raises(DecryptionError):
            cipher.decrypt(bytes(changed), PLACE)
    for length in range(len(stored)):
        with pytest.raises(DecryptionError):
            cipher.decrypt(stored[:length], PLACE)


def test_first_key_encrypts_and_all_of_them_decrypt() -> None:
    before = FieldCipher([OLD]).encrypt(PASSPORT, PLACE)
    both = FieldCipher([NEW, OLD])
    assert both.decrypt(before, PLACE) == PASSPORT
    assert not both.is_current(before)
    after = both.encrypt(PASSPORT, PLACE)
    assert both.is_current(after)
    assert FieldCipher([NEW]).decrypt(after, PLACE) == PASSPORT
    with pytest.raises(DecryptionError, match="no key of REWARDS_FIELD_KEYS has the id fdeab9ac"):
        FieldCipher([NEW]).decrypt(before, PLACE)


def test_setting_holds_keys_with_or_without_padding() -> None:
    setting = f" {text_of(NEW)} , {text_of(OLD).rstrip('=')}"
    cipher = FieldCipher.from_setting(setting)
    assert cipher.encrypt(PASSPORT, PLACE) == FieldCipher([NEW]).encrypt(PASSPORT, PLACE)
    assert cipher.decrypt(FieldCipher([OLD]).encrypt(PASSPORT, PLACE), PLACE) == PASSPORT


def test_new_keys_are_different_and_can_be_used() -> None:
    assert new_key() != new_key()
    assert FieldCipher.from_setting(new_key()).encrypt(PASSPORT, PLACE)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("", "there is none"),
        (" ", "there is none"),
        (text_of(OLD) + ",", "number 2 has 0 bytes"),
        (text_of(OLD[:32]), "number 1 has 32 bytes, not 64"),
        (text_of(OLD) + "," + text_of(NEW)[:-3], "number 2 is not base64url"),
        ("+" + text_of(OLD)[1:], "number 1 is not base64url"),
        (text_of(OLD)[:40] + " " + text_of(OLD)[40:], "number 1 is not base64url"),
        (text_of(OLD) + "," + text_of(OLD), "one stands there twice"),
    ],
)
def test_wrong_setting_is_told_without_its_keys(setting: str, told: str) -> None:
    with pytest.raises(FieldKeysError, match=told) as refused:
        FieldCipher.from_setting(setting)
    assert isinstance(refused.value, SettingsError)
    assert isinstance(refused.value, ValueError)
    for key in filter(None, setting.split(",")):
        assert key.strip() == "" or key not in str(refused.value)


def test_neither_keys_nor_values_are_shown() -> None:
    cipher = FieldCipher([OLD])
    told = repr(cipher)
    with pytest.raises(DecryptionError) as refused:
        cipher.decrypt(cipher.encrypt(PASSPORT, PLACE), "elsewhere 1")
    told += repr(refused.value) + str(refused.value.__cause__)
    for secret in (OLD.hex(), repr(OLD), text_of(OLD).rstrip("="), PASSPORT):
        assert secret not in told


def test_threads_share_a_cipher() -> None:
    cipher = FieldCipher([NEW, OLD])
    wrong: list[str] = []

    def work(name: int) -> None:
        for number in range(2_000):
            place = f"prize_redemptions.passport_number {number}"
            if cipher.decrypt(cipher.encrypt(f"{name} {number}", place), place) != f"{name} {number}":
                wrong.append(place)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
