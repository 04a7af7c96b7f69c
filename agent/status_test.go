package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/config"
)

// What there is none of is an empty list for those who read the status, and never null.
func TestWhatThereIsNoneOfIsAnEmptyList(t *testing.T) {
	a, err := New(t.Context(), &config.Config{StateDir: t.TempDir()}, Options{Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	s, err := json.Marshal(a.Status())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"troubles", "inputs", "firewalls", "policies", "heard", "members"} {
		if !strings.Contains(string(s), `"`+name+`":[]`) {
			t.Errorf("%s is no empty list: %s", name, s)
		}
	}
}

// Somebody looks at it with curl: what drives a terminal is written out.
func TestTheStatusOverHTTPDrivesNoTerminal(t *testing.T) {
	strange := "x\u202e\u200b\u009b\ufeff\U000e0041y"
	a, err := New(t.Context(), &config.Config{StateDir: t.TempDir(), Admin: config.Admin{Listen: "127.0.0.1:0"}}, Options{Logger: zerolog.Nop(), Config: strange})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	w := httptest.NewRecorder()
	a.admin.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/status", nil))
	text := w.Body.String()
	var s Status
	if err := json.Unmarshal([]byte(text), &s); err != nil || s.Configuration.Path != strange || !strings.Contains(text, `\u202e\u200b\u009b\ufeff\udb40\udc41`) {
		t.Errorf("%v: %s", err, text)
	}
}

// An agent whose list nobody can have, since its certificate has ended, is not ready, and says why.
func TestAnEndedCertificateIsNotReady(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(-time.Hour), DNSNames: []string{"other.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := config.TLS{CertFile: filepath.Join(dir, "c"), KeyFile: filepath.Join(dir, "k")}
	for path, block := range map[string]*pem.Block{files.CertFile: {Type: "CERTIFICATE", Bytes: der}, files.KeyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := &config.Config{StateDir: dir, EDL: config.EDL{Listen: "127.0.0.1:0", Path: "/list", URL: "https://edl.example/list", TLS: files}}
	a, err := New(t.Context(), cfg, Options{Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	s := a.Status()
	if !strings.Contains(strings.Join(s.NotReady, "\n"), "the list's certificate: the certificate expired at ") {
		t.Errorf("not ready: %q", s.NotReady)
	}
	var kinds []string
	for _, t := range s.Troubles {
		kinds = append(kinds, t.Kind()+" "+t.Of)
	}
	if got := strings.Join(kinds, ","); got != "certificate url,certificate " {
		t.Errorf("troubles %q", got)
	}
}
