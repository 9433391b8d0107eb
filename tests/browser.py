"""Pages in a real browser, opened from a file."""

import json
import shutil
import time

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium or chromedriver is not installed")

NASTY = """<script>document.title='owned'</script><img src=x onerror="document.title='owned'">'& {{7*7}} <b>b</b>"""
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",  # WebGL without a GPU
    "--enable-unsafe-swiftshader",
    "--window-size=1300,900",
)


def opened(path, width=1300, is_scripted=True):
    """A driver with the page, once it says that it is ready; without JavaScript unless is_scripted."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in _FLAGS:
        options.add_argument(flag)
    if not is_scripted:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.chrome.service.Service(DRIVER))
    try:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(path.as_uri())
        if is_scripted:
            wait_for(driver, "return document.documentElement.dataset.ready === 'yes'")
    except BaseException:
        driver.quit()
        raise
    return driver


def wait_for(driver, script, seconds=600):
    """Until the script gives something true."""
    end = time.monotonic() + seconds
    while not (found := driver.execute_script(script)):
        assert time.monotonic() < end, f"the page never came to: {script}\n{driver.get_log('browser')}"
        time.sleep(0.1)
    return found


def check_quiet(console, network):
    """In these logs of the browser there are no errors, and nothing was asked for but the page itself."""
    assert [entry for entry in console if entry["level"] == "SEVERE"] == []
    messages = [json.loads(entry["message"])["message"] for entry in network]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert sum(url.startswith("file:") for url in asked) == 1
