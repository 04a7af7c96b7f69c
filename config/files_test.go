package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write puts a file into a folder of the test, not readable by others unless mode says so.
func write(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

// pair makes a certificate signed by its own key, and the key, both in PEM.
func pair(t *testing.T) (cert, key string) {
	return pairOf(t, x509.Certificate{NotAfter: loadedAt().Add(time.Hour), DNSNames: []string{"fw.example"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 10)}})
}

func pairOf(t *testing.T, template x509.Certificate) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

func TestCredentialFiles(t *testing.T) {
	key := write(t, "key", "  LUFRPT1x=\n", 0o600)
	password := write(t, "password", " a secret \r\n", 0o400)
	c, warnings, err := loadBytes([]byte(sound + listed + "firewalls:\n" +
		"  - {name: A, url: 'https://[2001:db8::1]:8443/', api_key_file: " + key + "}\n" +
		"  - {name: B, url: https://192.0.2.2, username: agent, password_file: " + password + "}\n"))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("Load = %v, %v", warnings, err)
	}
	if f := c.Firewalls[0]; f.APIKey.Reveal() != "LUFRPT1x=" || f.APIKeyFile != key || f.URL != "https://[2001:db8::1]:8443" {
		t.Errorf("first firewall: %+v, key %q", f, f.APIKey.Reveal())
	}
	if f := c.Firewalls[1]; f.Username != "agent" || f.Password.Reveal() != " a secret " || f.PasswordFile != password {
		t.Errorf("second firewall: %+v, password %q", f, f.Password.Reveal())
	}
}

// The other member of a pair may have a key of its own; a key file is read again by the same rules, and what is wrong with it names nothing of its content.
func TestKeysOfPairsAndKeysReadAgain(t *testing.T) {
	one, other := write(t, "one", "LUFRPT1x=\n", 0o600), write(t, "other", "LUFRPT1y=\n", 0o600)
	c, _, err := loadBytes([]byte(firewallWith("peer_url: https://192.0.2.2\nurl: https://192.0.2.1\napi_key_file: " + one + "\npeer_api_key_file: " + other)))
	if err != nil {
		t.Fatal(err)
	}
	if f := c.Firewalls[0]; f.APIKey != "LUFRPT1x=" || f.PeerAPIKey != "LUFRPT1y=" || f.PeerAPIKeyFile != other {
		t.Errorf("%q, %q of %s", f.APIKey.Reveal(), f.PeerAPIKey.Reveal(), f.PeerAPIKeyFile)
	}
	for path, want := range map[string]string{one: "", write(t, "e", " \n", 0o600): "is empty", write(t, "k", "hush-1 hush-2", 0o600): "one word", t.TempDir(): "not a regular file", "/none": "no such file",
		write(t, "large", strings.Repeat("x", mostBytes+1), 0o600): "too large"} {
		key, err := ReadKey(path)
		if want == "" && (err != nil || key != "LUFRPT1x=") || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), path)) {
			t.Errorf("%s: %q, %v", path, key.Reveal(), err)
		}
	}
}

func TestFileFaults(t *testing.T) {
	cert, key := pair(t)
	_, otherKey := pair(t)
	folder := t.TempDir()
	damaged := "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	large := write(t, "large", strings.Repeat("x", mostBytes+1), 0o600)
	tlsFiles := func(cert, key string) string { return "edl: {tls: {cert_file: " + cert + ", key_file: " + key + "}}" }
	for _, c := range []struct{ name, yaml, key, text string }{
		{"missing key", firewallWith("api_key_file: " + folder + "/none"), "firewalls[0].api_key_file", "(" + folder + "/none): no such file"},
		{"folder as key", firewallWith("api_key_file: " + folder), "firewalls[0].api_key_file", "not a regular file"},
		{"device as key", firewallWith("api_key_file: /dev/zero"), "firewalls[0].api_key_file", "not a regular file"},
		{"large key", firewallWith("api_key_file: " + large), "firewalls[0].api_key_file", "which is too large"},
		{"empty key", firewallWith("api_key_file: " + write(t, "e", " \n", 0o600)), "firewalls[0].api_key_file", "is empty"},
		{"two keys", firewallWith("api_key_file: " + write(t, "k", "hush-1\nhush-2\n", 0o600)), "firewalls[0].api_key_file", "one word"},
		{"two keys of a peer", firewallWith("url: https://192.0.2.1\n" + login + "\npeer_url: https://192.0.2.2\npeer_api_key_file: " + write(t, "k", "hush-1\nhush-2\n", 0o600)), "firewalls[0].peer_api_key_file", "one word"},
		{"missing key of a peer", firewallWith("url: https://192.0.2.1\n" + login + "\npeer_url: https://192.0.2.2\npeer_api_key_file: " + folder + "/none"), "firewalls[0].peer_api_key_file", "no such file"},
		{"missing password", firewallWith("username: u\npassword_file: " + folder + "/none"), "firewalls[0].password_file", "no such file"},
		{"empty password", firewallWith("username: u\npassword_file: " + write(t, "e", "\n", 0o600)), "firewalls[0].password_file", "is empty"},
		{"two passwords", firewallWith("username: u\npassword_file: " + write(t, "p", "hush-1\nhush-2", 0o600)), "firewalls[0].password_file", "more than one line"},
		{"missing CA", firewallWith(login + "\nca_file: " + folder + "/none"), "firewalls[0].ca_file", "no such file"},
		{"empty CA", firewallWith(login + "\nca_file: " + write(t, "ca", "", 0o644)), "firewalls[0].ca_file", "is empty"},
		{"key as CA", firewallWith(login + "\nca_file: " + write(t, "ca", key, 0o644)), "firewalls[0].ca_file", "no PEM certificate"},
		{"damaged CA", firewallWith(login + "\nca_file: " + write(t, "ca", cert+damaged, 0o644)), "firewalls[0].ca_file", "certificate 2 in it is invalid"},
		{"missing certificate", tlsFiles(folder+"/none", write(t, "k", key, 0o600)), "edl.tls.cert_file", "no such file"},
		{"missing TLS key", tlsFiles(write(t, "c", cert, 0o644), folder+"/none"), "edl.tls.key_file", "no such file"},
		{"key of another", tlsFiles(write(t, "c", cert, 0o644), write(t, "k", otherKey, 0o600)), "edl.tls.key_file", "does not match"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := loadBytes([]byte(c.yaml))
			fs := faultsOf(t, err)
			if len(fs) != 1 || fs[0].Key != c.key || !strings.Contains(fs[0].Text, c.text) || strings.Contains(fs[0].Text, "hush") {
				t.Errorf("faults are %v, want one of %s with %q", err, c.key, c.text)
			}
		})
	}
}

// A file that is found from one working directory alone is warned of.
func TestRelativeFileIsWarnedOf(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("fw.key", []byte("LUFRPT1x="), 0o600); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := loadBytes([]byte(sound + listed + "firewalls: [{name: A, url: https://192.0.2.1, api_key_file: fw.key}]"))
	if err != nil || len(warnings) != 1 || warnings[0].Key != "firewalls[0].api_key_file" || !strings.Contains(warnings[0].Text, "depends on the working directory") {
		t.Errorf("Load = %v, %v", warnings, err)
	}
}

func TestCertificatesLoad(t *testing.T) {
	cert, key := pair(t)
	ca := write(t, "ca", "# the lab's CA\n"+cert, 0o644)
	certFile, keyFile := write(t, "c", cert, 0o644), write(t, "k", key, 0o600)
	c, warnings, err := loadBytes([]byte(sound + firewallWith("username: u\npassword_file: "+write(t, "p", "x", 0o600)+"\nca_file: "+ca) +
		"edl: {url: 'https://192.0.2.10/files/blacklist.txt', tls: {cert_file: " + certFile + ", key_file: " + keyFile + "}}"))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("Load = %v, %v", warnings, err)
	}
	if f := c.Firewalls[0]; !bytes.Contains(f.CA, []byte(cert)) || f.CAFile != ca {
		t.Errorf("CA is %q of %s", f.CA, f.CAFile)
	}
	if c.EDL.TLS != (TLS{certFile, keyFile}) {
		t.Errorf("TLS is %+v", c.EDL.TLS)
	}
}

// What is wrong with the list's certificate itself is named, and refuses no configuration: the rest of the daemon has more to do.
func TestACertificateThatIsOfNoUseIsNamed(t *testing.T) {
	now := loadedAt()
	soon := now.Add(time.Hour)
	for _, c := range []struct {
		name, host string
		cert       x509.Certificate
		says       []string
	}{
		{"a name", "edl.example", x509.Certificate{NotAfter: soon, DNSNames: []string{"edl.example"}}, nil},
		{"one of many", "EDL.example", x509.Certificate{NotAfter: soon, DNSNames: []string{"*.example"}}, nil},
		{"an address", "[2001:db8::1]:8443", x509.Certificate{NotAfter: soon, IPAddresses: []net.IP{net.ParseIP("2001:db8::1")}}, nil},
		{"another name", "edl.example", x509.Certificate{NotAfter: soon, DNSNames: []string{"a.example", "b.example", "c.example", "d.example"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1), net.IPv4(192, 0, 2, 2)}},
			[]string{"lacks edl.example, the host of edl.url", "its names are a.example, b.example, c.example, d.example, 192.0.2.1 and 1 more", "issued anew with edl.example"}},
		{"a common name alone", "edl.example", x509.Certificate{NotAfter: soon, Subject: pkix.Name{CommonName: "edl.example"}}, []string{"lacks edl.example", "a common name does not count"}},
		{"ended", "edl.example", x509.Certificate{NotAfter: now.Add(-time.Hour), DNSNames: []string{"edl.example"}}, []string{"ended at 2026-11-29T11:00:00Z"}},
		{"begins", "edl.example", x509.Certificate{NotBefore: soon, NotAfter: soon.Add(time.Hour), DNSNames: []string{"edl.example"}}, []string{"is not valid before 2026-11-29T13:00:00Z"}},
	} {
		cert, key := pairOf(t, c.cert)
		_, warnings, err := loadBytes([]byte(sound + "edl: {url: 'https://" + c.host + "/files/blacklist.txt', tls: {cert_file: " + write(t, "c", cert, 0o644) + ", key_file: " + write(t, "k", key, 0o600) + "}}"))
		if err != nil || (len(c.says) > 0) != (len(warnings) == 1) || len(warnings) > 1 {
			t.Errorf("%s: %v, %v", c.name, warnings, err)
			continue
		}
		for _, part := range c.says {
			if warnings[0].Key != "edl.tls.cert_file" || !strings.Contains(warnings[0].Text, part) {
				t.Errorf("%s: %v", c.name, warnings[0])
			}
		}
	}
}

// The URL of the database may stand in a file of its own, which every command reads; one that cannot be read is never taken for none.
func TestStoreURLFile(t *testing.T) {
	const url = "postgres://u:hush-1@db:5433/ad"
	good := write(t, "url", url+"\n", 0o600)
	for _, o := range []Options{{}, {WithoutFiles: true}} {
		o.Path = write(t, "c.yaml", "store: {url_file: "+good+"}\n", 0o600)
		c, _, err := Load(o)
		if err != nil || c.Store.URL != url {
			t.Errorf("%+v: %v, %v", o, c, err)
		}
		for text, want := range map[string]string{
			"store: {url_file: /nowhere}":                                       "store.url_file: cannot be read",
			"store: {url_file: " + write(t, "u", "mysql://hush-1", 0o600) + "}": "postgres://",
			"store: {url_file: " + write(t, "u", " ", 0o600) + "}":              "is empty",
			"store: {url_file: " + good + ", url: 'postgres://u:hush-1@db/x'}":  "cannot be combined with store.url",
		} {
			o.Path = write(t, "c.yaml", text, 0o600)
			if _, _, err := Load(o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	if _, warnings, err := Load(Options{Path: write(t, "c.yaml", "store: {url_file: "+write(t, "u", url, 0o644)+"}", 0o600)}); err != nil || len(warnings) == 0 || warnings[0].Key != "store.url_file" {
		t.Errorf("a file that others read: %v, %v", warnings, err)
	}
}

func TestWarnings(t *testing.T) {
	cert, key := pair(t)
	open := write(t, "open", "hush-1", 0o640)
	for _, c := range []struct{ name, yaml, key, text string }{
		{"key that others read", firewallWith("api_key_file: " + open), "firewalls[0].api_key_file", "mode 0640"},
		{"password that others read", firewallWith("username: u\npassword_file: " + open), "firewalls[0].password_file", "chmod 0600 " + open},
		{"TLS key that others read", "edl: {tls: {cert_file: " + write(t, "c", cert, 0o644) + ", key_file: " + write(t, "k", key, 0o604) + "}}", "edl.tls.key_file", "mode 0604"},
		{"key in the file", firewallWith("api_key: hush-1"), "firewalls[0].api_key", "api_key_file"},
		{"password in the file", firewallWith("username: u\npassword: hush-1"), "firewalls[0].password", "password_file"},
		{"any certificate", firewallWith("api_key_file: " + write(t, "k", "x", 0o600) + "\ninsecure_skip_verify: true"), "firewalls[0].insecure_skip_verify", "ca_file"},
		{"state that depends on where it is started", "state_dir: state", "state_dir", "empty blacklist"},
		{"list without a URL", "edl: {url: ''}\n" + firewallWith("api_key_file: "+write(t, "k", "x", 0o600)+"\nmode: edl"), "edl.url", "at which they reach it"},
		{"list at another path", "edl: {url: 'https://192.0.2.10/other'}", "edl.url", "leads to /other"},
		{"nothing to fall back on", "edl: {url: ''}\n" + firewallWith("api_key_file: "+write(t, "k", "x", 0o600)), "edl.url", "provision makes nothing for it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(c.yaml, "edl: {") {
				c.yaml = listed + c.yaml
			}
			_, warnings, err := loadBytes([]byte(sound + c.yaml))
			if err != nil || len(warnings) != 1 || warnings[0].Key != c.key || !strings.Contains(warnings[0].Text, c.text) {
				t.Errorf("warnings are %v, error %v; want one of %s with %q", warnings, err, c.key, c.text)
			}
			if len(warnings) > 0 && strings.Contains(warnings[0].String(), "hush") {
				t.Errorf("the warning gives a secret away: %v", warnings)
			}
		})
	}
}

func TestStorePasswordInOpenFile(t *testing.T) {
	const yaml = sound + "store: {url: 'postgres://agent:hush-1@db.example/ad'}"
	for _, c := range []struct {
		mode    os.FileMode
		environ []string
		want    int
	}{
		{0o644, nil, 1},
		{0o640, nil, 0}, // the group is the daemon's
		{0o644, []string{"ACTIVEDEFENSE_STORE__URL=postgres://agent:hush-2@db.example/ad"}, 0},
	} {
		_, warnings, err := Load(Options{Path: write(t, "c.yaml", yaml, c.mode), Environ: c.environ})
		if err != nil || len(warnings) != c.want || c.want > 0 && (warnings[0].Key != "store.url" || strings.Contains(warnings[0].Text, "hush")) {
			t.Errorf("mode %v with %q: %v, %v; want %d warnings", c.mode, c.environ, warnings, err, c.want)
		}
	}
}
