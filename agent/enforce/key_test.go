package enforce

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
		{"the system's roots", func(o *KeyOptions) { o.CAFile = "" }, xmlapi.KindTLS, "; give the CA of the firewall's certificate (--ca), or have it fetched (--fetch-ca)"},
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

// issued makes a certificate for 127.0.0.1, or that of a CA, signed by another one or itself.
func issued(t *testing.T, name string, ca bool, by *tls.Certificate) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: ca, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	parent, signer := template, any(key)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// What is to be trusted is the uppermost of what a firewall shows, and it is enough to reach it; what cannot serve is said before anybody is asked.
func TestTheCAThatAFirewallShows(t *testing.T) {
	root := issued(t, "root", true, nil)
	between := issued(t, "between", true, root)
	leaf := issued(t, "fw1", false, between)
	for _, c := range []struct {
		name   string
		shown  []*tls.Certificate
		top    *tls.Certificate
		itself bool
	}{
		{"the whole chain, in any order", []*tls.Certificate{leaf, root, between}, root, false}, {"without the root", []*tls.Certificate{leaf, between}, between, false},
		{"it alone", []*tls.Certificate{leaf}, leaf, true}, {"beside a stranger", []*tls.Certificate{leaf, issued(t, "between", true, nil)}, leaf, true},
		{"signed by itself", []*tls.Certificate{issued(t, "fw1", false, nil)}, nil, true},
	} {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		all := tls.Certificate{PrivateKey: c.shown[0].PrivateKey}
		for _, one := range c.shown {
			all.Certificate = append(all.Certificate, one.Certificate[0])
		}
		if c.top == nil {
			c.top = c.shown[0]
		}
		server.TLS = &tls.Config{Certificates: []tls.Certificate{all}}
		server.StartTLS()
		got, err := FetchCA(t.Context(), server.URL)
		sum := sha256.Sum256(c.top.Certificate[0])
		if err != nil || got.Itself != c.itself || strings.ToLower(strings.ReplaceAll(got.Fingerprint, ":", "")) != hex.EncodeToString(sum[:]) || len(got.Fingerprint) != 95 || !strings.Contains(got.Subject, "CN=") {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
		if block, _ := pem.Decode(got.PEM); block == nil || !bytes.Equal(block.Bytes, c.top.Certificate[0]) {
			t.Errorf("%s: written is another one", c.name)
		}
		// It is enough: what fails afterwards is not TLS.
		_, err = MakeKey(t.Context(), KeyOptions{URL: server.URL, Username: "svc", Password: "x", CAFile: writeFile(t, "ca.pem", got.PEM)})
		if kind := xmlapi.Kind(err); kind != xmlapi.KindHTTP {
			t.Errorf("%s: with it: %v", c.name, err)
		}
		server.Close()
	}
	sim := startSim(t, panosim.Options{})
	for which, text := range map[panosim.Certificate]string{panosim.CertificateOtherName: "other.example", panosim.CertificateExpired: "expired"} {
		if err := sim.SetCertificate(which); err != nil {
			t.Fatal(err)
		}
		if _, err := FetchCA(t.Context(), sim.URL()); err == nil || !strings.Contains(err.Error(), "SSL/TLS Service Profile") || which == panosim.CertificateExpired && !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := FetchCA(t.Context(), "http://192.0.2.1"); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("without TLS: %v", err)
	}
	sim.Down()
	if _, err := FetchCA(t.Context(), sim.URL()); xmlapi.Kind(err) != xmlapi.KindUnreachable {
		t.Errorf("away: %v", err)
	}
}
