package enforce

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/policy"
)

// certificatePEM is a certificate that ends then.
func certificatePEM(t *testing.T, ends time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: ends.Add(-time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestTheEndOfTheListsCertificateIsThatOfTheFirst(t *testing.T) {
	first, second := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2037, 1, 2, 3, 4, 5, 0, time.UTC)
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("none")})
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("none")})
	block, _ := pem.Decode(certificatePEM(t, second))
	other := pem.EncodeToMemory(&pem.Block{Type: "X509 REQUEST", Bytes: block.Bytes})
	good, authority := certificatePEM(t, first), certificatePEM(t, second)
	for name, c := range map[string]struct {
		body []byte
		want time.Time
	}{
		"alone":                           {good, first},
		"with its authority":              {slices.Concat(good, authority), first},
		"behind its key":                  {slices.Concat(key, good, authority), first},
		"behind what cannot be read":      {slices.Concat([]byte("text\n"), broken, good), first},
		"behind what is called otherwise": {slices.Concat(other, good), first},
		"none but what is unreadable":     {broken, time.Time{}},
		"a key alone":                     {key, time.Time{}},
		"no PEM":                          {[]byte("text"), time.Time{}},
		"empty":                           {nil, time.Time{}},
	} {
		if got := certificateEnd(writeFile(t, "list.pem", c.body)); !got.Equal(c.want) {
			t.Errorf("%s: it ends %s instead of %s", name, got, c.want)
		}
	}
	if got := certificateEnd(filepath.Join(t.TempDir(), "missing.pem")); !got.IsZero() {
		t.Errorf("no such file: it ends %s", got)
	}
}

// What a firewall shall be like is what the configuration says of it and of the list.
func TestWhatIsExpectedOfAFirewall(t *testing.T) {
	clock := newTestClock()
	ends := clock.now().Add(90 * 24 * time.Hour)
	certificate := certificatePEM(t, ends)
	served := Expected{
		Formats:     policy.Formats{Traffic: "$src", Threat: "$dst", Default: true},
		Certificate: writeFile(t, "list.pem", certificate), CA: writeFile(t, "ca.pem", []byte("an authority")),
	}
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for name, c := range map[string]struct {
		expected Expected
		listen   string
		want     func(*policy.Expectation)
	}{
		"a list with a certificate of our own CA": {served, ":8443", func(*policy.Expectation) {}},
		"a list with a given certificate": {Expected{Formats: served.Formats, Certificate: served.Certificate}, ":8443",
			func(x *policy.Expectation) { x.CA = nil }},
		"a CA that cannot be read": {Expected{Formats: served.Formats, Certificate: served.Certificate, CA: missing}, ":8443",
			func(x *policy.Expectation) { x.CA = nil }},
		"a certificate that cannot be read": {Expected{Formats: served.Formats, Certificate: missing, CA: served.CA}, ":8443",
			func(x *policy.Expectation) { x.CertificateEnds = time.Time{} }},
		"no list is served": {served, "",
			func(x *policy.Expectation) { x.ListURL, x.CA, x.CertificateEnds = "", nil, time.Time{} }},
	} {
		cfg := &config.Config{}
		cfg.EDL.Listen, cfg.EDL.URL, cfg.EDL.MaxEntries = c.listen, "https://192.0.2.9:8443/files/blacklist.txt", 1234
		cfg.EDL.EmptyEntry = netip.MustParseAddr("192.0.2.255")
		fw := config.Firewall{Mode: firewall.ModeGroup, Tag: "their-tag", InternetZones: []string{"wan"}, SyslogAddress: "192.0.2.8:5514"}
		blocked, released := blockedSince(clock.now(), "203.0.113.1/32"), blockedSince(clock.now(), "203.0.113.2/32")
		want := policy.Expectation{
			Mode: firewall.ModeGroup, Names: firewall.NamesFor("their-tag"), InternetZones: []string{"wan"}, SyslogAddress: "192.0.2.8:5514",
			ListURL: cfg.EDL.URL, Formats: served.Formats, CA: []byte("an authority"), CertificateEnds: ends,
			Entries: blocked, Released: released, MaxEntries: 1234, EmptyEntry: cfg.EDL.EmptyEntry, Now: clock.now(),
		}
		c.want(&want)
		got := c.expected.of(cfg, fw, blocked, released, clock.now())
		if !got.CertificateEnds.Equal(want.CertificateEnds) || !bytes.Equal(got.CA, want.CA) || (got.CA == nil) != (want.CA == nil) {
			t.Errorf("%s: the CA is %q, and the certificate ends %s", name, got.CA, got.CertificateEnds)
		}
		got.CertificateEnds, got.CA, want.CertificateEnds, want.CA = time.Time{}, nil, time.Time{}, nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: expected is %+v instead of %+v", name, got, want)
		}
	}
}
