"""How long nobody has said anything since the model's last answer was heard. Pure; its clock is the input buffer's."""


class Idleness:
    """One answer is followed by at most one timeout: the next needs another answer to be waited for."""

    def __init__(self) -> None:
        self._answers = 0
        self._waiting = False
        self._since_ms: int | None = None

    def hear(
        self, now_ms: int, speaking: bool, answering: bool, answers: int, limit_ms: int | None
    ) -> int | None:
        """One more window has passed. Returns since when it is silent, once, when that is `limit_ms` ago.

        `answering`: a response is being made or heard; `answers`: how many responses there were so far.
        """
        if answers != self._answers:
            self._answers, self._waiting, self._since_ms = answers, True, None
        if speaking or limit_ms is None:
            self._waiting = False
        if not self._waiting or answering:
            self._since_ms = None
            return None
        if self._since_ms is None:
            self._since_ms = now_ms
        if limit_ms is None or now_ms - self._since_ms < limit_ms:
            return None
        self._waiting = False
        return self._since_ms
