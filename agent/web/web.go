// Package web is the page: what people see of a running agent in a browser, and do there. It is a client of the API like any other and decides
// nothing itself: each page asks the API for what it shows, in the name of who looks at it, and each form has the API do one thing.
//
// Everything comes from this program, and nothing of it runs but one small script, which keeps what is shown up to date; without it the page
// does all else. Strangers choose much of what is shown: html/template escapes it, a strict content security policy stands behind that, and
// what would be unseen or turn text round is written out.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"activedefense/agent/api"
	"activedefense/agent/display"
)

// Options are what the page is made of. API must be set.
type Options struct {
	API    *api.API
	Name   string           // of the agent, for the title; "": none
	Tokens bool             // there are tokens to sign in with
	Now    func() time.Time // nil: time.Now
}

// Pages serves the page. It is safe for concurrent use.
type Pages struct {
	opts      Options
	mux       *http.ServeMux
	templates map[string]*template.Template
	files     map[string]file
	activity  activity
}

// A route is one page, or one form. One more is one more line of the table.
type route struct {
	method, path string
	role         api.Role // the least that it takes
	handle       func(*Pages, *visit) error
}

var routes = []route{
	{"GET", "/{$}", api.Viewer, (*Pages).overview},
	{"GET", "/ui/blocked", api.Viewer, (*Pages).blocked},
	{"GET", "/ui/address/{address}", api.Viewer, (*Pages).address},
	{"GET", "/ui/records", api.Viewer, (*Pages).recordSearch},
	{"GET", "/ui/record", api.Viewer, (*Pages).record},
	{"GET", "/ui/firewalls", api.Viewer, (*Pages).firewalls},
	{"GET", "/ui/allow", api.Viewer, (*Pages).allowed},
	{"GET", "/ui/settings", api.Viewer, (*Pages).settings},
	{"GET", "/ui/history", api.Viewer, (*Pages).history},
	{"POST", "/ui/release", api.Operator, (*Pages).release},
	{"POST", "/ui/accept", api.Operator, (*Pages).accept},
	{"POST", "/ui/many", api.Operator, (*Pages).decideMany},
	{"POST", "/ui/block", api.Operator, (*Pages).block},
	{"POST", "/ui/allow", api.Operator, (*Pages).allow},
	{"POST", "/ui/disallow", api.Operator, (*Pages).disallow},
	{"POST", "/ui/pause", api.Operator, (*Pages).pause},
	{"POST", "/ui/resume", api.Operator, (*Pages).resume},
	{"POST", "/ui/verify", api.Operator, (*Pages).verify},
	{"GET", "/ui/signin", api.Nobody, (*Pages).signInForm},
	{"POST", "/ui/signin", api.Nobody, (*Pages).signIn},
	{"POST", "/ui/signout", api.Viewer, (*Pages).signOut},
}

//go:embed static
var static embed.FS

// A file is one that every page needs. It never changes while it is called so, for its hash is in the address.
type file struct {
	kind    string
	content []byte
	hash    string
}

// New makes the page.
func New(o Options) *Pages {
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Pages{opts: o, mux: http.NewServeMux(), files: make(map[string]file)}
	names, err := fs.Glob(static, "static/*")
	for _, name := range names {
		content, err2 := static.ReadFile(name)
		err = errors.Join(err, err2)
		sum := sha256.Sum256(content)
		p.files[path.Base(name)] = file{mime.TypeByExtension(path.Ext(name)), content, hex.EncodeToString(sum[:8])}
	}
	if p.templates, err = parse(p); err != nil {
		panic(err) // they are part of the program, and every test reads them
	}
	for i := range routes {
		r := &routes[i]
		p.mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, q *http.Request) { p.serve(r, w, q) })
	}
	p.mux.HandleFunc("GET /ui/static/{name}", p.static)
	p.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.fault(&visit{w: w, r: r}, &api.Fault{Status: http.StatusNotFound, Detail: "There is no page " + r.URL.Path + "."})
	})
	return p
}

// contentPolicy lets a browser do with a page what it needs, and nothing else.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// ServeHTTP answers with a page.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer, a browser would not say that a form is ours
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	p.mux.ServeHTTP(w, r)
}

func (p *Pages) static(w http.ResponseWriter, r *http.Request) {
	f, ok := p.files[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(f.content) // an error means that the client has gone
}

// A visit is one request that is being answered.
type visit struct {
	w       http.ResponseWriter
	r       *http.Request
	who     api.Session
	api     *api.Client
	form    url.Values // of a POST; else the query
	warning string     // what is wrong with what is shown; "": nothing is known to be
}

// writeWithin bounds the writing of a page: who does not read is not waited for.
const writeWithin = 30 * time.Second

// maxForm bounds the body of a form.
const maxForm = 64 << 10

// serve answers one request to a route, if it may be made.
func (p *Pages) serve(route *route, w http.ResponseWriter, r *http.Request) {
	v := &visit{w: w, r: r}
	err := p.admit(route, v)
	if err == nil {
		// What follows may last: the bound for reading is over.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		v.api = v.who.Client(p.opts.API)
		v.api.Warn = func(text string) { v.warning = text }
		err = route.handle(p, v)
	}
	if err != nil {
		p.fault(v, err)
	}
}

// admit tells why a request may not be made; nil: it may.
func (p *Pages) admit(route *route, v *visit) error {
	r := v.r
	if err := p.opts.API.Sessions.SameSite(r); err != nil {
		return err
	}
	who, err := p.opts.API.Sessions.Visitor(r)
	v.who = who
	if err != nil && route.role > api.Nobody {
		return err
	}
	if f, is := errors.AsType[*api.Fault](err); is && f.Status == http.StatusForbidden {
		return err // no page is for who asks from elsewhere where there are no tokens
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		v.form, err = url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return api.Usagef("the address of the page cannot be read: %w", err)
		}
		return nil
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return &api.Fault{Status: http.StatusUnsupportedMediaType, Detail: "This takes a form."}
	}
	r.Body = http.MaxBytesReader(v.w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return &api.Fault{Status: http.StatusRequestEntityTooLarge, Detail: "The form is too large."}
		}
		return api.Usagef("the form cannot be read: %w", err)
	}
	v.form = r.PostForm
	switch {
	case route.role == api.Nobody:
		return nil
	case who.Role < route.role:
		return &api.Fault{Status: http.StatusForbidden, Detail: "This takes an operator. " + whoText(who.Caller) + " may only look."}
	case !who.Carries(v.form.Get("csrf")):
		return &api.Fault{Status: http.StatusForbidden, Detail: "The form is not one of this session: go back, load the page again, and repeat it."}
	}
	return nil
}

func whoText(c api.Caller) string {
	if c.Name == "" {
		return "You"
	}
	return c.Name
}

// fault answers with why something was not done; who has to sign in is brought there.
func (p *Pages) fault(v *visit, err error) {
	f, ok := errors.AsType[*api.Fault](err)
	if !ok {
		f = &api.Fault{Status: http.StatusInternalServerError, Detail: err.Error()}
	}
	if f.Status == http.StatusUnauthorized && v.r.Method != http.MethodPost && p.opts.Tokens {
		http.Redirect(v.w, v.r, "/ui/signin?to="+url.QueryEscape(v.r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	switch f.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		v.w.Header().Set("Retry-After", "5")
	}
	p.show(v, f.Status, "fault", http.StatusText(f.Status), &refusal{f, v.refusedForm(f.Status), v.cameFrom()})
}

// A refusal is what the page of a fault shows.
type refusal struct {
	*api.Fault
	Form *refusedForm // to be mended and sent again; nil: that would not help
	From string       // the page that was left; "": unknown
}

// A refusedForm is one that was sent, as it was.
type refusedForm struct {
	To     string
	Fields []field
}

// fieldLabels are what people call the fields of the forms, in their order.
var fieldLabels = []struct{ name, label string }{{"entry", "Address, network or name"}, {"address", "Address"}, {"reason", "Reason"}, {"for", "For (24h, 7d)"}}

// refusedForm gives the form that was sent, where what it says was the fault.
func (v *visit) refusedForm(status int) *refusedForm {
	if v.r.Method != http.MethodPost || status != http.StatusBadRequest && status != http.StatusUnprocessableEntity {
		return nil
	}
	form := &refusedForm{To: v.r.URL.Path}
	for _, l := range fieldLabels {
		if v.form.Has(l.name) {
			form.Fields = append(form.Fields, field{Name: l.name, Label: l.label, Value: v.form.Get(l.name)})
		}
	}
	if len(form.Fields) == 0 {
		return nil
	}
	return form
}

// cameFrom is the page of this site that a form was sent from; "": unknown.
func (v *visit) cameFrom() string {
	from, err := url.Parse(v.r.Referer())
	if v.r.Method != http.MethodPost || err != nil || from.Host != v.r.Host {
		return ""
	}
	query := from.Query()
	query.Del("done")
	return onSite((&url.URL{Path: from.Path, RawPath: from.RawPath, RawQuery: query.Encode()}).String())
}

// A frame is what stands around a page, and the page.
type frame struct {
	Title   string
	Here    string // path of the page
	Agent   string // its name
	Who     api.Session
	Tokens  bool
	Done    string // what was just done, in words; "": nothing
	Warning string // what is wrong with what is shown; "": nothing is known to be
	Now     time.Time
	Content any
}

// Operator tells whether there are forms for changes.
func (f *frame) Operator() bool { return f.Who.Role >= api.Operator && f.Who.CSRF != "" }

// show answers with a page, whole or not at all.
func (p *Pages) show(v *visit, status int, name, title string, content any) {
	var out bytes.Buffer
	f := &frame{Title: title, Here: v.r.URL.Path, Agent: p.opts.Name, Who: v.who, Tokens: p.opts.Tokens, Done: done[v.form.Get("done")], Warning: v.warning, Now: p.opts.Now(), Content: content}
	if err := p.templates[name].ExecuteTemplate(display.NewGuard(&out), "frame", f); err != nil {
		http.Error(v.w, "the page cannot be shown: "+display.Harmless(err.Error()), http.StatusInternalServerError)
		return
	}
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(writeWithin))
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(out.Bytes()) // an error means that the client has gone
}

// done is what a page can say was just done. It is named in the address, so that nobody can have the page say anything else.
var done = map[string]string{
	"signedout":  "You are signed out.",
	"released":   "It is released, and what it did up to now counts no longer.",
	"accepted":   "It is blocked.",
	"blocked":    "It is blocked.",
	"allowed":    "It is on the allow-list.",
	"lifted":     "It is on the allow-list, and the blocks of it are lifted.",
	"disallowed": "It is off the allow-list: what it does from now on counts.",
	"paused":     "Enforcement is paused: everything is taken off the firewalls and the list.",
	"resumed":    "Enforcement goes on.",
}

// back answers a form: the page is loaded again.
func (v *visit) back(to, what string) {
	if what != "" {
		to += map[bool]string{true: "&", false: "?"}[strings.Contains(to, "?")] + "done=" + what
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
}
