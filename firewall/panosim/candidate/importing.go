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
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// ImportCertificate answers the import of a certificate, PEM: it stands in the candidate of /config/shared from then on, or in that
// of a Panorama's template, in place of one of the same name, with what the firewall reads in it. The answer is a recorded one; the
// texts of the refusals are ours.
func (c *Config) ImportCertificate(admin, template, name, file string) answer.Answer {
	entry, wrong := certificateEntry(name, file)
	if wrong != "" {
		return refuse(0, "Import of "+name+" failed. "+wrong).answer()
	}
	shared := append(templatePath(template).Steps, xmltree.Step{Name: "shared"}, xmltree.Step{Name: "certificate"},
		xmltree.Step{Name: "entry", Chosen: []xmltree.Key{entry.Key()}})
	c.o.Jobs.Due()
	if refused := c.edit(admin, &edit{action: "edit", path: xmltree.Path{Steps: shared}, element: entry}); refused != nil {
		return refused.answer()
	}
	return answer.XML(http.StatusOK, `<response status="success"><result>Successfully imported `+answer.Escape(name)+` into candidate configuration</result></response>`)
}

// templatePath leads to the config of a template; "": to that of the device itself.
func templatePath(template string) xmltree.Path {
	steps := []xmltree.Step{{Name: "config"}}
	if template != "" {
		entry := func(name string) xmltree.Step {
			return xmltree.Step{Name: "entry", Chosen: []xmltree.Key{{Element: "entry", ID: name}}}
		}
		steps = append(steps, xmltree.Step{Name: "devices"}, entry(dialect.Localhost), xmltree.Step{Name: "template"}, entry(template), xmltree.Step{Name: "config"})
	}
	return xmltree.Path{Steps: steps}
}

// HasTemplate tells whether the candidate has a template of that name.
func (c *Config) HasTemplate(name string) bool {
	return len(templatePath(name).Parent().Find(c.journal.candidate.Root)) > 0
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
