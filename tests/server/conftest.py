from tests.browser.conftest import lab, lab_client

__all__ = ["lab", "lab_client"]
