package web

import (
	"errors"
	"net/http"
	"strings"

	"activedefense/agent/api"
)

// signing is what the page to sign in shows.
type signing struct {
	To   string // where to go then
	Fail string // why it was refused; "": it was not tried
	Link bool   // another site's link led here, with which a browser sends no cookie
}

// onSite is a path of this site; anything else is the first page.
func onSite(to string) string {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return to
}

func (p *Pages) signInForm(v *visit) error {
	if !p.opts.Tokens {
		v.back("/", "")
		return nil
	}
	p.show(v, http.StatusOK, "signin", "Sign in", &signing{To: onSite(v.form.Get("to")), Link: strings.HasSuffix(v.r.Header.Get("Sec-Fetch-Site"), "-site")})
	return nil
}

func (p *Pages) signIn(v *visit) error {
	to := onSite(v.form.Get("to"))
	if !p.opts.Tokens {
		v.back(to, "")
		return nil
	}
	err := p.opts.API.Sessions.SignIn(v.w, v.r, v.form.Get("token"))
	if f, is := errors.AsType[*api.Fault](err); is {
		p.show(v, f.Status, "signin", "Sign in", &signing{To: to, Fail: f.Detail})
		return nil
	}
	if err != nil {
		return err
	}
	v.back(to, "")
	return nil
}

func (p *Pages) signOut(v *visit) error {
	p.opts.API.Sessions.SignOut(v.w, v.r)
	v.back("/ui/signin", "signedout")
	return nil
}
