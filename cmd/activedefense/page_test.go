package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"activedefense/agent/explain"
)

// Who signs in to the page of a daemon stays so over a reload, sees every page, and what he does is done in his name.
func TestThePageOfADaemon(t *testing.T) {
	t.Parallel()
	w, _ := quietWorld(t, ", tokens_file: "+filepath.Join(t.TempDir(), "tokens"))
	anna, _, _ := w.run("token", "add", "anna", "operator")
	d := w.start()
	w.until("the daemon runs", func() bool { code, _ := w.get("/readyz"); return code == http.StatusOK })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	read := func(response *http.Response, err error) (int, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
	page := "http://" + w.admin
	if code, text := read(browser.PostForm(page+"/ui/signin", url.Values{"token": {anna}})); code != http.StatusOK || !strings.Contains(text, "anna, operator") {
		t.Fatalf("anna is not signed in: %d %s", code, text)
	}
	w.expectRun(0, "", "reload")
	w.until("the page has the database again", func() bool { code, _ := read(browser.Get(page + "/")); return code == http.StatusOK })
	csrf := ""
	for _, path := range []string{"/", "/ui/blocked", "/ui/address/203.0.113.9", "/ui/records?since=1h", "/ui/firewalls", "/ui/allow", "/ui/history", "/ui/settings"} {
		code, text := read(browser.Get(page + path))
		m := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(text)
		if code != http.StatusOK || m == nil || !strings.Contains(text, "anna, operator") {
			t.Fatalf("%s after a reload: %d %s", path, code, text)
		}
		csrf = m[1]
	}
	if code, text := read(browser.PostForm(page+"/ui/block", url.Values{"csrf": {csrf}, "address": {"203.0.113.9"}, "reason": {"seen elsewhere"}})); code != http.StatusOK || !strings.Contains(text, "It is blocked.") {
		t.Errorf("it is not blocked: %d %s", code, text)
	}
	if list := jsonLines[explain.BlacklistEntry](w, "blacklist", "list"); len(list) != 1 || list[0].By != "anna" || list[0].Reason != "seen elsewhere" {
		t.Errorf("listed is %+v", list)
	}
	d.stop()
	if _, err := os.Stat(filepath.Join(w.dir, "state", "pace.json")); err != nil {
		t.Errorf("how many lines were read is not kept: %v", err)
	}
}
