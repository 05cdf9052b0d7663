"""What is remembered is not made again, and never takes more room than there is."""

from adtrack.evaluation.bounded_memory import BoundedMemory


def test_the_first_values_that_fit_are_kept_and_others_made_each_time() -> None:
    made: list[str] = []

    def get(key: str) -> str:
        def make() -> str:
            made.append(key)
            return key

        return memory.get(key, make)

    memory: BoundedMemory[str, str] = BoundedMemory(6, len)
    for key in ("abc", "abcd", "ab", "abc", "ab", "abcd", "x", "xy"):
        assert get(key) == key
    assert made == ["abc", "abcd", "ab", "abcd", "x", "xy"]  # 3 + 2 + 1 bytes are kept
    assert get("x") == "x" and made[-1] == "xy"
