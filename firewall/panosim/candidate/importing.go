package candidate

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"strconv"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/xmltree"
)

// ImportCertificate answers the import of a certificate, PEM: it stands in the candidate of /config/shared from then on, in
// place of one of the same name, with what the firewall reads in it. The answer is a recorded one; the texts of the
// refusals are ours.
func (c *Config) ImportCertificate(admin, name, file string) answer.Answer {
	entry, wrong := certificateEntry(name, file)
	if wrong != "" {
		return refuse(0, "Import of "+name+" failed. "+wrong).answer()
	}
	shared := []xmltree.Step{{Name: "config"}, {Name: "shared"}, {Name: "certificate"}, {Name: "entry", Chosen: []xmltree.Key{entry.Key()}}}
	c.o.Jobs.Due()
	if refused := c.edit(admin, &edit{action: "edit", path: xmltree.Path{Steps: shared}, element: entry}); refused != nil {
		return refused.answer()
	}
	return answer.XML(http.StatusOK, `<response status="success"><result>Successfully imported `+answer.Escape(name)+` into candidate configuration</result></response>`)
}

// certificateEntry is what a firewall makes of a file, with the elements and the order of exported configurations
// (pan-os-php, tests/input/panorama-10.0-merger.xml); or what is wrong with it.
func certificateEntry(name, file string) (entry *xmltree.Element, wrong string) {
	block, rest := pem.Decode([]byte(file))
	switch {
	case file == "":
		return nil, "No file was uploaded"
	case block == nil || block.Type != "CERTIFICATE":
		return nil, "Unable to load the certificate"
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, "More than one certificate in the file"
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, "Unable to load the certificate"
	}
	// Unlike OpenSSL's, of the DER as it stands; nothing depends on it.
	hash := func(der []byte) string { sum := sha256.Sum256(der); return hex.EncodeToString(sum[:4]) }
	const day = "Jan _2 15:04:05 2006 GMT"
	entry = xmltree.Key{Element: "entry", ID: name}.New()
	for _, f := range [][2]string{
		{"subject-hash", hash(cert.RawSubject)}, {"issuer-hash", hash(cert.RawIssuer)},
		{"not-valid-before", cert.NotBefore.UTC().Format(day)}, {"issuer", "/CN=" + cert.Issuer.CommonName},
		{"not-valid-after", cert.NotAfter.UTC().Format(day)}, {"common-name", cert.Subject.CommonName},
		{"expiry-epoch", strconv.FormatInt(cert.NotAfter.Unix(), 10)}, {"ca", yesNo(cert.IsCA)},
		{"subject", "/CN=" + cert.Subject.CommonName}, {"public-key", strings.TrimSpace(file)}, {"algorithm", algorithm(cert)},
	} {
		entry.Children = append(entry.Children, &xmltree.Element{Name: f[0], Text: f[1]})
	}
	return entry, ""
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func algorithm(c *x509.Certificate) string {
	if c.PublicKeyAlgorithm == x509.RSA {
		return "RSA"
	}
	return "EC"
}
