"""Whether an MLflow server answers: MLflow itself tries again for about four minutes at each request."""

import os
import time
from urllib.parse import urlsplit

_SECONDS = 5.0  # that a server may take to answer
_PATIENCE = 10.0  # seconds that a run waits in all for a server that has stopped answering
_SERVER_ERROR = 500  # and above: statuses of a server, or of a proxy before it, that does not work
# MLflow reads them at each request, also in its own threads
_NO_WAITING = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"}


class Server:
    """The server of a tracking store; a store without a server always answers."""

    def __init__(self, address: str) -> None:
        self._address = address if urlsplit(address).scheme in ("http", "https") else None
        self._patience = _PATIENCE

    def problem(self) -> str | None:
        """Why the server gives no answer now; None if it does, also if it refuses the request.

        An error of the server (5xx) is no answer: a proxy sends it for a server that is not there.
        """
        if self._address is None:
            return None
        import requests

        try:
            answer = requests.get(f"{self._address.rstrip('/')}/health", timeout=_SECONDS)
            if answer.status_code >= _SERVER_ERROR:
                return f"it answers with status {answer.status_code} {answer.reason}".rstrip()
        except requests.Timeout:
            return f"no answer within {_SECONDS:.0f} seconds"
        except (requests.RequestException, ValueError) as error:
            inner = getattr(error.args[0] if error.args else None, "reason", error)
            return str(inner).partition(": ")[2] or str(inner)
        return None

    def answers(self) -> bool:
        """Whether requests should be sent; False for good once waiting for an answer took too long.

        From then on no request of this process waits either, such as those that MLflow has queued.
        """
        if self._address is None:
            return True
        if self._patience <= 0:
            return False
        began = time.monotonic()
        if self.problem() is None:
            return True
        self._patience -= max(1.0, time.monotonic() - began)
        if self._patience <= 0:
            self.give_up()
        return False

    def give_up(self) -> None:
        """Send no more requests, and let MLflow wait for none."""
        self._patience = 0.0
        os.environ.update(_NO_WAITING)
