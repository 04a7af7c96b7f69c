package panosim

import (
	"bytes"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"
)

// importing posts a file as clients do: what is asked in the address, the file as a part.
func (p *peer) importing(query url.Values, name, file string) string {
	p.Helper()
	query.Set("type", "import")
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.SetBoundary("a/b+c"); err != nil {
		p.Fatal(err)
	}
	if file != "" {
		part, err := form.CreateFormFile("file", name)
		if err != nil {
			p.Fatal(err)
		}
		_, _ = part.Write([]byte(file))
	}
	_ = form.Close()
	response, err := p.http.Post(p.sim.URL()+"/api/?"+query.Encode(), "multipart/form-data; boundary=a/b+c", &body) // unquoted, as pan-python sends it
	if err != nil {
		p.Fatal(err)
	}
	r, err := read(response)
	if err != nil {
		p.Fatal(err)
	}
	return r.body
}

func TestImportOfACertificate(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	root, other := issue(t, "root", true, nil), issue(t, "leaf", false, nil)
	certificate := func(name, key string) url.Values {
		return url.Values{"category": {"certificate"}, "certificate-name": {name}, "format": {"pem"}, "key": {key}}
	}
	const done = `<response status="success"><result>Successfully imported ours into candidate configuration</result></response>`
	for _, c := range []*issued{other, root} { // the second takes the place of the first
		if got := p.importing(certificate("ours", s.Key()), "ca.pem", c.pem()); got != done {
			t.Fatal(got)
		}
	}
	entry, _, _ := strings.Cut(strings.SplitN(s.Config().Candidate(), "<certificate", 2)[1], "</certificate>")
	for _, part := range []string{`name="ours"`, "<common-name", ">root</common-name>", ">yes</ca>", ">EC</algorithm>", strings.TrimSpace(root.pem())} {
		if !strings.Contains(entry, part) {
			t.Errorf("no %s in %s", part, entry)
		}
	}
	if strings.Contains(s.Config().Running(), "ours") || s.Config().Pending("admin") != 2 {
		t.Error("the import is no edit of the candidate by the administrator")
	}
	for what, c := range map[string]struct {
		query      url.Values
		file, want string
	}{
		"no file":          {certificate("ours", s.Key()), "", "No file was uploaded"},
		"no certificate":   {certificate("ours", s.Key()), "hello", "Unable to load the certificate"},
		"two certificates": {certificate("ours", s.Key()), root.pem() + other.pem(), "More than one certificate"},
		"a name too long":  {certificate(strings.Repeat("x", 64), s.Key()), root.pem(), "at most 63 characters, but current length: 64"},
		"no name":          {certificate("", s.Key()), root.pem(), "certificate-name"},
		"another kind":     {url.Values{"category": {"keypair"}, "certificate-name": {"x"}, "format": {"pem"}, "key": {s.Key()}}, root.pem(), "Illegal value"},
		"without a key":    {certificate("ours", "wrong"), root.pem(), "Invalid Credential"},
	} {
		if got := p.importing(c.query, "ca.pem", c.file); !strings.Contains(got, c.want) || !strings.Contains(got, "error") {
			t.Errorf("%s: %s", what, got)
		}
	}
	s.Config().LockConfig("somebody", "shared")
	if got := p.importing(certificate("ours", s.Key()), "ca.pem", root.pem()); !strings.Contains(got, "lock") {
		t.Errorf("locked: %s", got)
	}
	s.Config().UnlockConfig("shared")
	s.Config().SetRole("admin", RightConfiguration, RightOperation)
	if got := p.importing(certificate("ours", s.Key()), "ca.pem", root.pem()); !strings.Contains(got, `status="unauth"`) {
		t.Errorf("without the right: %s", got)
	}
}
