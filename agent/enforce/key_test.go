package enforce

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

// writeFile makes a file of the test, and gives its path.
func writeFile(t *testing.T, name string, body []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAKeyIsMadeByAFirewallThatIsVerified(t *testing.T) {
	sim := startSim(t, panosim.Options{Admin: "svc", Users: map[string]string{"svc": "right"}})
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for _, c := range []struct {
		name   string
		change func(*KeyOptions)
		kind   string // of the error
		text   string // in the error; "": there is none
	}{
		{"verified", func(*KeyOptions) {}, "", ""},
		{"not verified on purpose", func(o *KeyOptions) { o.CAFile, o.InsecureSkipVerify = "", true }, "", ""},
		{"the system's roots", func(o *KeyOptions) { o.CAFile = "" }, xmlapi.KindTLS, "; give the CA of the firewall's certificate (--ca)"},
		{"no such file", func(o *KeyOptions) { o.CAFile = missing }, "", "read the CA: open " + missing},
		{"no PEM", func(o *KeyOptions) { o.CAFile = writeFile(t, "ca.pem", []byte("none")) }, "", "the CA contains no PEM certificate"},
		{"wrong password", func(o *KeyOptions) { o.Password = "wrong" }, xmlapi.KindAuth, sim.URL()},
		{"no password", func(o *KeyOptions) { o.Password = "" }, "", "user name and password, is required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts := KeyOptions{URL: sim.URL(), Username: "svc", Password: "right", CAFile: writeFile(t, "ca.pem", sim.CA())}
			c.change(&opts)
			key, err := MakeKey(t.Context(), opts)
			if c.text == "" {
				if err != nil || key != sim.Key() {
					t.Errorf("the key is %q instead of %q: %v", key, sim.Key(), err)
				}
				return
			}
			if key != "" || err == nil || xmlapi.Kind(err) != c.kind || !strings.Contains(err.Error(), c.text) {
				t.Errorf("the key is %q, the error of kind %q: %v", key, xmlapi.Kind(err), err)
			}
			if c.kind != xmlapi.KindTLS && err != nil && strings.Contains(err.Error(), "--ca") {
				t.Errorf("advice that does not help: %v", err)
			}
		})
	}
}

func TestNoPasswordInAnErrorOfKeygen(t *testing.T) {
	for _, url := range []string{"https://svc:hidden@192.0.2.1", "https://svc:hidden@192.0.2.1:port", "http://:hidden@192.0.2.1"} {
		_, err := MakeKey(context.Background(), KeyOptions{URL: url, Username: "svc", Password: "hidden"})
		if err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
