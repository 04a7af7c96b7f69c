package panosim

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A configuration that is brought in neither runs nor is edited until it is loaded, and can be given out and deleted.
func TestSavedConfigurations(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	upload := func(name, content string) string {
		return p.importing(url.Values{"category": {"configuration"}, "key": {s.Key()}}, name, content)
	}
	export := func(pairs ...string) reply {
		return p.post(url.Values{"type": {"export"}, "key": {s.Key()}, "category": {"configuration"}, "from": pairs})
	}
	before := s.Config().Running()
	if got := export(); got.body != before || !strings.HasPrefix(got.body, `<config version="10.2.0">`) {
		t.Errorf("the running one: %s", got.body)
	}
	other := strings.Replace(before, "<shared/>", "<shared><tag><entry name=\"t\"><comments>x</comments></entry></tag></shared>", 1)
	if other == before {
		t.Fatalf("no shared part in %s", before)
	}
	load := "<load><config><from>other.xml</from></config></load>"
	for _, c := range []struct{ what, got, want string }{
		{"no configuration", upload("other.xml", "<html/>"), "Not a configuration"}, {"in place of the running one", upload("running-config.xml", other), "invalid file name"},
		{"with a path", upload("a/b.xml", other), "b.xml saved"}, // the name alone is sent
		{"not there yet", p.op(load), "other.xml does not exist"}, {"saved", upload("other.xml", other), "other.xml saved"},
		{"listed", p.op("<show><config><saved/></config></show>"), "<member>running-config.xml</member><member>b.xml</member><member>other.xml</member>"},
		{"shown", p.op("<show><config><saved>other.xml</saved></config></show>"), `<entry name="t">`}, {"given out", export("other.xml").body, `<entry name="t">`},
		{"nothing pending", p.op("<check><pending-changes/></check>"), "no"}, {"loaded", p.op(load), "Config loaded from other.xml"},
		{"pending", p.op("<check><pending-changes/></check>"), "yes"},
		{"back", p.op("<load><config><from>running-config.xml</from></config></load>"), "Config loaded"}, {"nothing left", p.op("<check><pending-changes/></check>"), "no"},
		{"again", p.op(load), "Config loaded"}, {"candidate saved", p.op("<save><config><to>mine.xml</to></config></save>"), "Config saved to mine.xml"},
		{"deleted", p.op("<delete><config><saved>other.xml</saved></config></delete>"), "other.xml deleted"}, {"gone", p.op(load), "does not exist"},
		{"given out no more", export("other.xml").body, "does not exist"}, {"the candidate is", export("mine.xml").body, `<entry name="t">`},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("%s: %s", c.what, c.got)
		}
	}
	if err := s.Config().Commit("admin"); err != nil || s.Config().Running() != other {
		t.Errorf("committed: %v, %s", err, s.Config().Running())
	}
	// What a file does not have is gone when it is loaded.
	upload("less.xml", `<config version="10.2.0"><shared/></config>`)
	p.op("<load><config><from>less.xml</from></config></load>")
	if got := s.Config().Candidate(); strings.Contains(got, "<devices>") || strings.Contains(got, "<mgt-config>") {
		t.Errorf("the candidate still is %s", got)
	}
}

// A certificate is given out as the file that it was; keys are not.
func TestCertificateIsGivenOut(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	if err := s.Config().Edit("admin", "set", "/config/shared/certificate/entry[@name='CA']", "<public-key>"+string(s.CA())+"</public-key><ca>yes</ca>"); err != nil {
		t.Fatal(err)
	}
	if err := s.Config().Commit("admin"); err != nil {
		t.Fatal(err)
	}
	export := func(name, key string) reply {
		return p.post(url.Values{"type": {"export"}, "key": {s.Key()}, "category": {"certificate"}, "certificate-name": {name}, "format": {"pem"}, "include-key": {key}})
	}
	for _, name := range []string{"CA", "0041_Entrust.net_Certification_Authority_(2048)"} {
		got := export(name, "no")
		if strings.TrimSpace(got.body) != strings.TrimSpace(string(s.CA())) || got.file != "attachment; filename="+name+".pem" || got.kind != "application/octet-stream" {
			t.Errorf("%s: %v %s", name, got, got.body)
		}
	}
	if got := export("CB", "no").body; !strings.Contains(got, "does not exist") {
		t.Errorf("another name: %s", got)
	}
	if got := export("CA", "yes"); got.status != http.StatusBadRequest {
		t.Errorf("with its key: %s", got.body)
	}
}
