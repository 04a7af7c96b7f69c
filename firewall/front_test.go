package firewall_test

import (
	"bytes"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

// front stands between us and the simulator: it sees every request, and answers some itself, in ways that no PAN-OS
// is known for.
type front struct {
	server *httptest.Server

	mu       sync.Mutex
	answer   answerFunc
	requests []request
}

// answerFunc may answer a call itself; false: the simulator does.
type answerFunc func(w http.ResponseWriter, r *http.Request, form url.Values) bool

func (f *front) set(answer answerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

type request struct {
	url    string
	header http.Header
	form   url.Values
	raw    string
}

// newFront puts one in front of a lab's simulator and points our side at it.
func newFront(t *testing.T, l *lab, answer answerFunc) *front {
	t.Helper()
	f := &front{answer: answer}
	target, err := url.Parse(l.sim.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = l.sim.Transport()
	f.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Errorf("a body that is no form: %v", err)
		}
		f.mu.Lock()
		f.requests = append(f.requests, request{r.URL.String(), r.Header.Clone(), form, string(body)})
		answer := f.answer
		f.mu.Unlock()
		if answer != nil && answer(w, r, form) {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(f.server.Close)
	l.opts.URL = f.server.URL
	l.opts.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.server.Certificate().Raw})
	l.restart()
	return f
}

// register tells whether a call registers something.
func register(form url.Values) bool {
	return form.Get("type") == "user-id" && strings.Contains(form.Get("cmd"), "<register>")
}

func reads(form url.Values) bool { return strings.Contains(form.Get("cmd"), "<registered-ip>") }

func say(w http.ResponseWriter, text string) bool {
	_, _ = io.WriteString(w, text)
	return true
}

func TestKeyTravelsInTheHeaderOnly(t *testing.T) {
	l := newLab(t, nil, func(o *labOptions) { o.UserAgent = "activedefense/test" })
	f := newFront(t, l, nil)
	l.pass(l.entries(0, 3), true)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.requests) != 6 {
		t.Fatalf("%d requests, want system info, page, limit, count, register, page", len(f.requests))
	}
	for _, r := range f.requests {
		if strings.Contains(r.url, l.opts.APIKey) || strings.Contains(r.raw, l.opts.APIKey) || r.form.Has("key") {
			t.Errorf("the key is in the URL or the form: %s %s", r.url, r.raw)
		}
		if r.header.Get("X-PAN-KEY") != l.opts.APIKey || r.header.Get("User-Agent") != "activedefense/test" {
			t.Errorf("headers %v", r.header)
		}
	}
}

func TestOneBadAddressKeepsNobodyOut(t *testing.T) {
	const bad = "198.18.0.123"
	malformed := `<response status="error"><msg><line>uid-message: payload is malformed</line></msg></response>`
	for name, answer := range map[string]string{
		"malformed":           malformed,
		"names nobody":        `<response status="error"><msg><line><uid-response><version>2.0</version><payload><register/></payload></uid-response></line></msg></response>`,
		"names somebody else": `<response status="error"><msg><line><uid-response><payload><register><entry ip="192.0.2.1" message="what?"/></register></payload></uid-response></line></msg></response>`,
		"full":                `<response status="error"><msg><line>max registered-ip for the platform reached (10)</line></msg></response>`,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil, nil)
			newFront(t, l, func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
				return register(form) && strings.Contains(form.Get("cmd"), `"`+bad+`"`) && say(w, answer)
			})
			desired := l.entries(0, 1200)
			r := l.pass(desired, true)
			for r.Backlog > 0 {
				r = l.pass(desired, false)
			}
			n := len(r.Refused)
			if one := name != "full"; n == 0 || one && n != 1 || !one && n != 250 || !holds(r.Refused, bad) {
				t.Fatalf("refused %+v", r.Refused)
			}
			if r.Standing != len(desired)-n || len(r.Registered) != len(desired)-n {
				t.Errorf("%d stand and %d were registered of %d with %d refused", r.Standing, len(r.Registered), len(desired), n)
			}
			if r.Calls > 45 {
				t.Errorf("%d calls to find one bad address", r.Calls)
			}
			before := l.sim.Stats().Messages
			if r := l.pass(desired, false); r.Calls != 0 || l.sim.Stats().Messages != before {
				t.Errorf("what was refused is sent again at once: %+v", r)
			}
			if r := l.pass(desired, true); !holds(r.Refused, bad) || r.Standing < len(desired)-n {
				t.Errorf("the next full pass: refused %v, standing %d", r.Refused, r.Standing)
			}
		})
	}
}

func holds(list []firewall.Refused, address string) bool {
	for _, r := range list {
		if r.Prefix.Addr().String() == address && r.Message != "" {
			return true
		}
	}
	return false
}

func TestEverythingRefusedIsBounded(t *testing.T) {
	l := newLab(t, nil, nil)
	newFront(t, l, func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
		return register(form) && say(w, `<response status="error"><msg><line>uid-message: payload is malformed</line></msg></response>`)
	})
	r, err := l.fw.Reconcile(t.Context(), l.entries(0, 5000), true)
	if xmlapi.Kind(err) != xmlapi.KindAPI || xmlapi.Transient(err) || r.Calls > 80 {
		t.Fatalf("%d calls, %v", r.Calls, err)
	}
}

func TestFullPlatformIsNotSearched(t *testing.T) {
	l := newLab(t, nil, nil)
	newFront(t, l, func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
		return register(form) && say(w, `<response status="error"><msg><line>max registered-ip for the platform reached (10)</line></msg></response>`)
	})
	if r := l.pass(l.entries(0, 5000), true); len(r.Refused) != 5000 || r.Calls > 35 {
		t.Fatalf("%d refused in %d calls", len(r.Refused), r.Calls)
	}
}

func TestPagesThatNeverEnd(t *testing.T) {
	var page strings.Builder
	page.WriteString(`<response status="success"><result>`)
	for i := range 500 {
		page.WriteString(`<entry ip="` + host(i).Addr().String() + `" persistent="1"><tag><member>` + tag + `</member></tag></entry>`)
	}
	page.WriteString(`<count>500</count></result></response>`)
	l := newLab(t, nil, nil)
	newFront(t, l, func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
		return reads(form) && say(w, page.String())
	})
	r, err := l.fw.Reconcile(t.Context(), nil, true)
	if xmlapi.Kind(err) != xmlapi.KindMalformed || r.Calls != 3 || len(r.Unregistered) != 0 {
		t.Fatalf("%d calls, %d unregistered, %v", r.Calls, len(r.Unregistered), err)
	}
}

func TestListInAFile(t *testing.T) {
	l := newLab(t, nil, nil)
	newFront(t, l, func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
		return reads(form) && say(w, `<response status="success"><result><msg><line><outfile>/var/log/clioutput/regipdump</outfile></line></msg></result></response>`)
	})
	_, err := l.fw.Reconcile(t.Context(), nil, true)
	if xmlapi.Kind(err) != xmlapi.KindUnsupported || !strings.Contains(err.Error(), "8.0") {
		t.Fatal(err)
	}
}

func TestSecretsEchoedByTheFirewall(t *testing.T) {
	l := newLab(t, func(o *panosimOptions) { o.Users = map[string]string{"svc": "p&ss w/rd!"} }, nil)
	l.opts.APIKey, l.opts.Username, l.opts.Password = "", "svc", "p&ss w/rd!"
	keys := make(chan string, 1)
	newFront(t, l, func(w http.ResponseWriter, r *http.Request, form url.Values) bool {
		if sent := r.Header["X-Pan-Key"]; form.Get("type") == "keygen" && len(sent) > 0 {
			t.Errorf("a key is sent to get one: %q", sent)
		}
		if form.Get("type") != "user-id" {
			return false
		}
		key := r.Header.Get("X-PAN-KEY")
		keys <- key
		return say(w, `<response status="error" code="17"><msg><line>bad call key=`+url.QueryEscape(key)+` `+key+` for svc:p&amp;ss w/rd! (p%26ss+w%2Frd%21)</line></msg></response>`)
	})
	_, err := l.fw.Reconcile(t.Context(), l.entries(0, 1), true)
	if err == nil {
		t.Fatal("no error")
	}
	key := <-keys
	for _, secret := range []string{key, url.QueryEscape(key), "p&ss", "p%26ss"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q is in %q", secret, err)
		}
	}
	if !strings.Contains(err.Error(), "firewall LAB-FW-01: register 1 address: bad call key=[redacted]") {
		t.Error(err)
	}
}
