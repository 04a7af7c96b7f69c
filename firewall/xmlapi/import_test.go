package xmlapi

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A certificate goes as a file in a call of its own, with the rest of the edits in their order; the answer has no code.
func TestImport(t *testing.T) {
	var sent []string
	s := newScript(t, always(`<response status="success" code="20"><msg>command succeeded</msg></response>`))
	rest := s.transport.try.base
	answer := `<response status="success"><result>Successfully imported x-ca into candidate configuration</result></response>`
	s.transport.try.base = roundTripper(func(r *http.Request) (*http.Response, error) {
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data; boundary=") {
			sent = append(sent, "edit")
			return rest.RoundTrip(r)
		}
		file, header, err := r.FormFile("file")
		if err != nil {
			sent = append(sent, "no file")
			return respond(200, answer)
		}
		content, err := io.ReadAll(file)
		if err != nil || string(content) != "PEM\n" || header.Filename != "x-ca.pem" || r.Header.Get("X-PAN-KEY") != "swordfish" {
			t.Errorf("file %s %q, %v", header.Filename, content, err)
		}
		if got := r.URL.Query().Encode(); got != "category=certificate&certificate-name=x-ca&format=pem&type=import" || r.URL.Path != "/api/" {
			t.Errorf("asked %s", r.URL)
		}
		sent = append(sent, "import")
		return respond(200, answer)
	})
	edits := []Edit{Set("/config/shared/tag", NamedEntry("t")), ImportCertificate("x-ca", []byte(" PEM \n")), Delete("/config/shared/tag/entry[@name='t']")}
	if err := s.Edit(t.Context(), "trust us", edits); err != nil || strings.Join(sent, " ") != "edit import edit" {
		t.Errorf("sent %v, %v", sent, err)
	}
	if got := edits[1].String(); got != `import /config/shared/certificate/entry[@name='x-ca'] <entry name="x-ca"><public-key>PEM</public-key><ca>yes</ca></entry>` {
		t.Errorf("the edit is %s", got)
	}
	answer = `<response status="error" code="403"><result><msg>Type [import] not authorized for user role.</msg></result></response>`
	wantError(t, s.Edit(t.Context(), "trust us", edits[1:2]), KindRole, "trust us", "not authorized")
	sent = nil
	if wantError(t, s.TryImport(t.Context(), "rights", "try it"), KindRole, "try it", "not authorized"); sent[0] != "no file" {
		t.Errorf("to try the right it sent %v", sent)
	}
	s.opts.Target = "012801000001"
	sent = nil
	if wantError(t, s.Edit(t.Context(), "trust us", edits[1:2]), KindUnsupported, "trust us", "through Panorama"); sent != nil {
		t.Errorf("through a Panorama it sent %v", sent)
	}
}
