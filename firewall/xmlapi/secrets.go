package xmlapi

import (
	"encoding/xml"
	"html"
	"net/url"
	"strings"
	"sync"
)

// secrets are the strings that may appear in no text: keys and passwords, in every form in which a server could
// echo them. The zero value holds none.
type secrets struct {
	mu    sync.Mutex
	known []string
}

// add makes s one of them; the empty string is none.
func (s *secrets) add(secret string) {
	if secret == "" {
		return
	}
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(secret)) // a strings.Builder does not fail
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), escaped.String(), html.EscapeString(secret)} {
		s.keep(form)
	}
}

func (s *secrets) keep(form string) {
	for _, k := range s.known {
		if k == form {
			return
		}
	}
	s.known = append(s.known, form)
}

// scrub gives text with each of them blotted out.
func (s *secrets) scrub(text string) string {
	if s == nil {
		return text
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.known {
		text = strings.ReplaceAll(text, k, "[redacted]")
	}
	return text
}
