package policy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

// provisionRole is that of firewall/README.md.
var provisionRole = []panosim.Right{
	panosim.RightConfiguration, panosim.RightOperation, panosim.RightCommit, panosim.RightUserID, panosim.RightImport,
}

// Our CA is imported: the firewall reads in it what belongs to a certificate. The plan says that, and takes effect with the
// documented role.
func TestProvisionImportsTheCA(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, nil)
	l.sim.Config().SetRole("svc-activedefense", provisionRole...)
	steps := l.plan()
	var said string
	for _, s := range steps {
		if strings.HasPrefix(s.Object, `certificate "`) {
			said = s.String()
		}
	}
	if want := `create certificate "active-defense-ca": our CA, which signs the list's certificate, imported as a file straight into the candidate configuration`; said != want {
		t.Errorf("the plan says  %s\nwant           %s", said, want)
	}
	l.apply(steps, false)
	_, entry, _ := strings.Cut(l.sim.Config().Candidate(), `<certificate admin=`)
	entry, _, _ = strings.Cut(entry, "</certificate>")
	for _, part := range []string{"</subject-hash>", "</not-valid-after>", "</expiry-epoch>", ">yes</ca>", "-----BEGIN CERTIFICATE-----"} {
		if !strings.Contains(entry, part) {
			t.Errorf("the certificate has no %s: %s", part, entry)
		}
	}
	if strings.Contains(entry, "format") {
		t.Errorf("the certificate has what no schema knows: %s", entry)
	}
	l.commit()
	if left := l.plan(); len(left) != 0 {
		t.Errorf("still to do: %v", left)
	}
	if failed := l.fails(); len(failed) != 0 {
		t.Errorf("with the documented role: %v", failed)
	}

	// Another CA of ours, in place of the one that stands; and in place of one that is not ours, only with --adopt.
	for i, foreign := range []bool{true, false} {
		l.want.CA = ourAuthority(t, i)
		steps = l.plan()
		if len(steps) != 1 || steps[0].Action != ActionChange || steps[0].Foreign != foreign || !strings.Contains(steps[0].Detail, map[bool]string{true: "in place of the one of that name in Shared, O=Acme Co, imported", false: "our current CA, imported"}[foreign]) {
			t.Fatalf("for another CA: %v", steps)
		}
		l.apply(steps, true)
		if left := l.plan(); len(left) != 0 {
			t.Errorf("still to do for another CA: %v", left)
		}
	}
}

// ourAuthority is a CA as the daemon makes it for its list.
func ourAuthority(t *testing.T, number int) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"Active Defense"}, CommonName: fmt.Sprintf("Active Defense CA %08X", number)},
		NotAfter: time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// Without the right to import nothing is begun, and verify names it where provisioning is asked for.
func TestProvisionWithoutTheRightToImport(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, nil)
	l.sim.Config().SetRole("svc-activedefense", provisionRole[:4]...)
	steps := l.plan()
	if steps[0].Action != ActionPerson || steps[0].Object != "administrator role" || !strings.Contains(steps[0].Detail, "XML API: enable Import") {
		t.Errorf("the plan begins with %s", steps[0])
	}
	taken, err := Take(t.Context(), l.device, steps, false)
	if taken != 0 || xmlapi.Kind(err) != xmlapi.KindRole || !strings.Contains(err.Error(), "XML API: Import") {
		t.Errorf("took %d steps: %v", taken, err)
	}
	if n := l.sim.Config().Pending(""); n != 0 {
		t.Errorf("%d edits were made", n)
	}
	for _, asked := range []bool{false, true} {
		l.want.MayProvision = asked
		c := result(Verify(ReadFacts(t.Context(), l.device, l.want), l.want), CheckRole)
		if named := c.Result == ResultFail && strings.Contains(c.Detail, "no permission to import our CA") && strings.Contains(c.Remedy, "enable Import"); named != asked {
			t.Errorf("provisioning asked for: %v: %+v", asked, c)
		}
	}
	l.sim.Config().SetRole("svc-activedefense", provisionRole...)
	if c := result(Verify(ReadFacts(t.Context(), l.device, l.want), l.want), CheckRole); c.Result != ResultPass || !strings.Contains(c.Detail, "import") {
		t.Errorf("with the documented role: %+v", c)
	}
}

// A file cannot be sent to a firewall through Panorama: that is a person's step, and nothing is imported on Panorama itself.
func TestProvisionThroughPanoramaImportsNothing(t *testing.T) {
	l := newProvisionLab(t, firewall.ModeTag, nil)
	direct := len(l.plan())
	panorama, err := panosim.StartPanorama(panosim.PanoramaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(panorama.Close)
	if err := panorama.Manage(l.sim); err != nil {
		t.Fatal(err)
	}
	l.opts.URL, l.opts.CA, l.opts.APIKey, l.opts.Target = panorama.URL(), panorama.CA(), panorama.Key(), "007000000000001"
	l.restart()
	steps := l.plan()
	var said string
	for _, s := range steps {
		if strings.HasPrefix(s.Object, `certificate "`) && s.Action == ActionPerson {
			said = s.Detail
		}
		if s.imports() {
			t.Errorf("through Panorama: %s", s)
		}
	}
	if !strings.Contains(said, "import ca.crt of state_dir under that name") || !strings.Contains(said, "or in its template, as the commands for Panorama do") || len(steps) >= direct {
		t.Errorf("through Panorama: %v", steps)
	}
}
