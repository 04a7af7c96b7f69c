package enforce

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"activedefense/firewall/xmlapi"
)

// KeyOptions say whose API key is to be made, and where.
type KeyOptions struct {
	URL                string // https://host[:port]
	Username, Password string
	CAFile             string // PEM; "": the system's roots
	InsecureSkipVerify bool
}

// MakeKey has a firewall make an API key.
func MakeKey(ctx context.Context, opts KeyOptions) (string, error) {
	var ca []byte
	if opts.CAFile != "" {
		var err error
		if ca, err = os.ReadFile(opts.CAFile); err != nil {
			return "", fmt.Errorf("read the CA: %w", err)
		}
	}
	device, err := xmlapi.Open(xmlapi.Options{
		Name: redacted(opts.URL), URL: opts.URL, Username: opts.Username, Password: opts.Password, CA: ca, InsecureSkipVerify: opts.InsecureSkipVerify,
	})
	if err != nil {
		return "", err
	}
	defer device.Close()
	key, err := device.MakeKey(ctx)
	if xmlapi.Kind(err) == xmlapi.KindTLS {
		err = fmt.Errorf("%w; give the CA of the firewall's certificate (--ca), or have it fetched (--fetch-ca)", err)
	}
	return key, err
}

// A ShownCA is what would have to be trusted for a firewall to be: the uppermost certificate that it shows.
type ShownCA struct {
	PEM             []byte
	Fingerprint     string // SHA-256, as PAN-OS and browsers write it: 32 pairs of capital hexadecimal digits, with colons
	Subject, Issuer string
	Begins, Ends    time.Time
	Itself          bool // it is the firewall's own certificate, for nothing is shown that signed it: another one is to be fetched when that is renewed
}

// FetchCA asks a firewall for its certificate, which is not verified: a person has to say that it is the firewall's. The error is also that the
// firewall could not be reached with it, since it has ended or does not have the host of the URL.
func FetchCA(ctx context.Context, address string) (ShownCA, error) {
	chain, host, err := xmlapi.Shown(ctx, address)
	if err != nil {
		return ShownCA{}, err
	}
	if len(chain) == 0 {
		return ShownCA{}, fmt.Errorf("%s shows no certificate", host)
	}
	top := chain[0]
	for range chain {
		for _, c := range chain {
			if c != top && c.IsCA && top.CheckSignatureFrom(c) == nil && !top.Equal(c) {
				top = c
			}
		}
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(top)
	for _, c := range chain {
		between.AddCert(c)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between}); err != nil {
		return ShownCA{}, fmt.Errorf("the certificate of %s cannot be used, whoever signed it: %w; give another --url, by a name or address that it has, or have it issued anew on the firewall: "+
			"Device > Certificate Management > Certificates, selected under Device > Setup > Management > General Settings > SSL/TLS Service Profile", host, err)
	}
	var print []string
	for _, b := range sha256.Sum256(top.Raw) {
		print = append(print, fmt.Sprintf("%02X", b))
	}
	return ShownCA{
		PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: top.Raw}), Fingerprint: strings.Join(print, ":"),
		Subject: xmlapi.Tidy(top.Subject.String()), Issuer: xmlapi.Tidy(top.Issuer.String()), Begins: top.NotBefore, Ends: top.NotAfter,
		Itself: top == chain[0],
	}, nil
}

// redacted is a URL that can be shown, should somebody have put a password into it.
func redacted(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "unknown"
	}
	return u.Redacted()
}
