package web

import (
	"testing"

	"activedefense/store"
)

// In a real browser: where there is none, the tests over HTTP hold what they can.
func TestInABrowser(t *testing.T) {
	browser := newChromium(t)
	if browser == nil {
		t.Log("WITHOUT chromium, which is not installed")
		return
	}
	t.Run("a block appears without a reload", func(t *testing.T) {
		s := newStage(t, true)
		s.put("203.0.113.1/32", store.Blocked)
		w := s.window(t, browser)
		w.signIn("reader")
		w.until("it is live", `document.getElementById("live").innerText === "Live."`)
		w.until("there are lines a second", `document.querySelector("[data-rate]").innerText === "1,234"`)
		eval[bool](w, `window.same = true`)
		s.put("203.0.113.66/32", store.Blocked)
		w.until("the block is in the list", `document.querySelector("#newest").innerText.includes("203.0.113.66")`)
		w.until("the block is said", `document.getElementById("said").innerText.includes("203.0.113.66 is blocked: port-scan")`)
		if !eval[bool](w, `window.same === true`) {
			t.Error("the page was loaded anew")
		}
	})
}
