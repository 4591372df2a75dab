import json
from pathlib import Path

import pytest

from capibara6.config import Settings, load_settings, require_keys_off_loopback
from capibara6.config.loading import packaged_values
from capibara6.errors import ConfigurationError, MissingKeyError, UnknownTierError

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct-horse-battery"  # not a real one


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.upper().startswith(("CAPIBARA6_", "E2B_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))


def write(tmp_path: Path, values: object) -> Path:
    path = tmp_path / "e2b_config.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return path


def problem(path: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    return str(caught.value)


def test_defaults_are_the_presets_and_tiers_of_the_packaged_file(tmp_path: Path) -> None:
    settings = load_settings()
    presets = {
        name: (template.timeout_s, template.memory_mib, template.cpu_percent)
        for name, template in settings.templates.items()
    }
    assert presets == {
        "default": (300, 512, 50),
        "data_analysis": (600, 1024, 75),
        "machine_learning": (1800, 2048, 100),
        "quick_script": (60, 256, 25),
        "visualization": (600, 1024, 75),
    }
    assert [(name, tier.model) for name, tier in settings.tiers.items()] == [
        ("fast_response", "phi3:mini"),
        ("balanced", "mistral"),
        ("complex", "gpt-oss:20b"),
    ]
    assert settings.provider == "embedded"
    assert settings.platform.host == "127.0.0.1"
    assert settings.limits.repair_attempts_max == 3
    assert settings.database == f"sqlite+aiosqlite:///{tmp_path}/xdg/capibara6/capibara6.db"


def keys_of(value: object) -> object:
    if not isinstance(value, dict):
        return None
    return {name: keys_of(item) for name, item in value.items()}


def test_the_file_at_the_root_shows_every_setting_and_loads() -> None:
    root = ROOT / "e2b_config.json"
    assert keys_of(json.loads(root.read_text(encoding="utf-8"))) == keys_of(packaged_values())
    load_settings(root)


def test_every_variable_of_the_example_is_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    values = {
        "CAPIBARA6_PROVIDER": "e2b",
        "CAPIBARA6_HOME": str(tmp_path),
        "CAPIBARA6_API_KEYS": "k" * 16 + ", " + "l" * 16,
        "CAPIBARA6_DATABASE_URL": "postgresql+asyncpg://u:p@127.0.0.1/db",
        "CAPIBARA6_MAIL__PORT": "25",
        "CAPIBARA6_MAIL__SENDER": "a@b.example",
    }
    names = [line[2:].split("=", 1)[0] for line in lines if line.startswith("# ") and "=" in line]
    names = [name for name in names if name.isupper() and " " not in name]
    assert len(names) == 12
    text = "\n".join(f"{name}={values.get(name, 'secret-' + name)}" for name in names)
    (tmp_path / ".env").write_text(text + "\nUNRELATED=1\n", encoding="utf-8")
    settings = load_settings()
    assert settings.provider == "e2b"
    assert settings.e2b_api_key is not None
    assert settings.e2b_api_key.get_secret_value() == "secret-E2B_API_KEY"
    assert settings.openai_api_key is not None
    assert [key.get_secret_value() for key in settings.api_keys] == ["k" * 16, "l" * 16]
    assert settings.mail is not None
    assert settings.mail.port == 25
    assert settings.embedded.api_key is not None


def test_the_environment_wins_over_dotenv_and_dotenv_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, {"platform": {"port": 1001, "host": "127.0.0.2"}})
    assert load_settings(path).platform.port == 1001
    (tmp_path / ".env").write_text("CAPIBARA6_PLATFORM__PORT=1002\n", encoding="utf-8")
    assert load_settings(path).platform.port == 1002
    monkeypatch.setenv("CAPIBARA6_PLATFORM__PORT", "1003")
    settings = load_settings(path)
    assert settings.platform.port == 1003
    assert settings.platform.host == "127.0.0.2"


def test_null_removes_a_tier_and_a_new_one_needs_all_its_values(tmp_path: Path) -> None:
    path = write(tmp_path, {"tiers": {"complex": None}})
    assert list(load_settings(path).tiers) == ["fast_response", "balanced"]
    message = problem(write(tmp_path, {"tiers": {"mine": {"model": "m"}}}))
    assert "tiers.mine.base_url" in message
    assert "it is missing" in message


def test_all_problems_are_told_at_once_with_file_key_value_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPIBARA6_LIMITS__CODE_BYTES_MAX", "many")
    path = write(
        tmp_path,
        {
            "provider": "docker",
            "platfrom": {},
            "templates": {"default": {"timeout_s": 0, "memory_mb": 5}},
            "tiers": {"balanced": {"base_url": "ftp://x", "timeout_s": True}},
        },
    )
    message = problem(path)
    assert message.startswith("7 settings are wrong:")
    for expected in (
        f"{path}: provider = 'docker'",
        f"{path}: platfrom = {{}}: no such setting. Did you mean 'platform'?",
        f"{path}: templates.default.timeout_s = 0:",
        f"{path}: templates.default.memory_mb = 5: no such setting. Did you mean 'memory_mib'?",
        f"{path}: tiers.balanced.base_url = 'ftp://x': not an address like http://host:port",
        f"{path}: tiers.balanced.timeout_s = True: a boolean",
        "environment: CAPIBARA6_LIMITS__CODE_BYTES_MAX = 'many'",
    ):
        assert expected in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no JSON object"),
        ('{"provider": "e2b", "provider": "embedded"}', "stands twice"),
        ("[" * 100_000, "is not JSON"),
        ('{"_env_file": "elsewhere"}', "'_env_file' that is none"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, text: str, expected: str) -> None:
    message = problem(write(tmp_path, text))
    assert expected in message
    assert "e2b_config.json" in message


def test_a_file_that_is_named_but_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPIBARA6_CONFIG", str(tmp_path / "absent.json"))
    assert "No such file" in problem()


@pytest.mark.parametrize(
    "values",
    [
        {"timeout_s": 8 * 24 * 3600},
        {"timeout_s": -1},
        {"timeout_s": "soon"},
        {"memory_mib": 1.5},
        {"cpu_percent": None},
    ],
)
def test_a_preset_out_of_range(tmp_path: Path, values: dict[str, object]) -> None:
    path = write(tmp_path, {"templates": {"default": values}})
    assert f"templates.default.{next(iter(values))}" in problem(path)


def test_misspelt_variables_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPIBARA6_PROVIDR", "e2b")
    (tmp_path / ".env").write_text("CAPIBARA6_PLATFORM__PROT=1\n", encoding="utf-8")
    message = problem()
    assert "environment: CAPIBARA6_PROVIDR" in message
    assert "Did you mean 'CAPIBARA6_PROVIDER'?" in message
    assert ".env: CAPIBARA6_PLATFORM__PROT" in message


@pytest.mark.parametrize(
    ("values", "variable"),
    [
        ({"e2b_api_key": PASSWORD}, "E2B_API_KEY"),
        ({"E2B_API_KEY": PASSWORD}, "E2B_API_KEY"),
        ({"embedded": {"api_key": PASSWORD}}, "CAPIBARA6_EMBEDDED__API_KEY"),
        ({"database_url": PASSWORD}, "CAPIBARA6_DATABASE_URL"),
        ({"api_keys": [PASSWORD]}, "CAPIBARA6_API_KEYS"),
        ({"mail": {"host": "h", "sender": "a@b", "password": PASSWORD}}, "CAPIBARA6_MAIL"),
        ({"model_keys": {"OPENAI_API_KEY": PASSWORD}}, "CAPIBARA6_MODEL_KEYS"),
    ],
)
def test_secrets_in_the_file_are_refused_and_not_shown(
    tmp_path: Path, values: dict[str, object], variable: str
) -> None:
    message = problem(write(tmp_path, values))
    assert "secrets do not belong in this file" in message
    assert variable in message
    assert PASSWORD not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CAPIBARA6_API_KEYS", "short-secret"),
        ("CAPIBARA6_API_KEYS", f"{PASSWORD},short-secret"),
        ("CAPIBARA6_MAIL__PASSWORD", "short-secret"),  # without a host
        ("CAPIBARA6_TEMPLATES", "short-secret"),  # no JSON
        ("CAPIBARA6_NO_SUCH", "short-secret"),
    ],
)
def test_a_wrong_variable_never_shows_a_secret(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "short-secret" not in str(caught.value)
    assert "short-secret" not in repr(caught.value)


def test_secrets_are_hidden_in_every_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2B_API_KEY", "e2b_" + "0" * 40)
    monkeypatch.setenv("OPENAI_API_KEY", PASSWORD + "1")
    monkeypatch.setenv("CAPIBARA6_API_KEYS", PASSWORD + "2")
    monkeypatch.setenv("CAPIBARA6_DATABASE_URL", f"postgresql+asyncpg://u:{PASSWORD}3@h/db")
    settings = load_settings()
    shown = repr(settings) + str(settings) + settings.model_dump_json()
    assert PASSWORD not in shown
    assert "e2b_000" not in shown
    assert settings.secrets() >= {"e2b_" + "0" * 40, *(f"{PASSWORD}{n}" for n in (1, 2, 3))}


def test_listening_beyond_this_machine_needs_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, {"platform": {"host": "0.0.0.0"}})
    assert "platform.host" in problem(path)
    with pytest.raises(ConfigurationError, match="CAPIBARA6_API_KEYS"):
        require_keys_off_loopback("192.0.2.1", load_settings(write(tmp_path, {})))
    monkeypatch.setenv("CAPIBARA6_API_KEYS", "k" * 16)
    settings = load_settings(write(tmp_path, {"platform": {"host": "0.0.0.0"}}))
    require_keys_off_loopback("0.0.0.0", settings)


def test_a_tier_names_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, {"tiers": {"complex": {"api_key_variable": "MY_MODEL_KEY"}}})
    with pytest.raises(MissingKeyError, match="MY_MODEL_KEY"):
        load_settings(path).tier_key("complex")
    monkeypatch.setenv("MY_MODEL_KEY", PASSWORD)
    settings = load_settings(path)
    key = settings.tier_key("complex")
    assert key is not None
    assert key.get_secret_value() == PASSWORD
    assert settings.tier_key("balanced") is None
    with pytest.raises(UnknownTierError, match="'huge'"):
        settings.tier_key("huge")


def test_settings_never_change(tmp_path: Path) -> None:
    settings: Settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.provider = "e2b"
