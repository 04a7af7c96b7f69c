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

	"activedefense/agent/durable"
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

// That the disk of state_dir hangs is said for as long as it does.
func TestADiskThatHangsIsTold(t *testing.T) {
	dir := t.TempDir()
	a, err := New(t.Context(), &config.Config{StateDir: dir}, Options{Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	begun, thaw, done := make(chan struct{}, 2), make(chan struct{}), make(chan error)
	if err := os.MkdirAll(filepath.Join(dir, "labels"), 0o700); err != nil {
		t.Fatal(err)
	}
	go func() {
		done <- durable.Write(filepath.Join(dir, "labels", "x"), nil, 0o600, func(*os.File) error { begun <- struct{}{}; <-thaw; return nil })
	}()
	<-begun
	if s := a.Status(); len(s.Troubles) > 0 {
		t.Errorf("at once: %+v", s.Troubles)
	}
	a.now = func() time.Time { return time.Now().Add(time.Minute) }
	s := a.Status()
	if len(s.Troubles) != 1 || s.Troubles[0].Kind() != "state_dir" || !strings.Contains(s.Troubles[0].What, "labels/x for 1m0s") || s.Unwritten < 60 {
		t.Errorf("%v s, troubles %+v", s.Unwritten, s.Troubles)
	}
	families, err := newMetrics(a.Status).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var metric float64
	for _, f := range families {
		if f.GetName() == "activedefense_state_dir_no_answer_seconds" {
			metric = f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	if metric < 60 {
		t.Errorf("the metric is %v", metric)
	}
	close(thaw)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if s := a.Status(); len(s.Troubles) > 0 || s.Unwritten > 0 {
		t.Errorf("afterwards %v s, %+v", s.Unwritten, s.Troubles)
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
