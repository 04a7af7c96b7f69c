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

// keyring is the API key that the calls of a connection carry. Where it is kept in a file that holds another one now, that is used from the next
// call on; one that the firewall refuses gives way to the one before it, which may be good still.
type keyring struct {
	secrets *secrets
	read    func() string // what the file holds; nil: there is none

	mu     sync.Mutex
	now    string // "": there is none yet
	former string // to be tried when now is refused; "": there is none
	held   string // what the file held when it was last looked at
	taken  string // the last that the firewall took
}

// set has calls carry a key from now on.
func (k *keyring) set(key string) {
	k.secrets.add(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = key
}

// current is the key that a call is to carry.
func (k *keyring) current() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.look()
	return k.now
}

// look takes over what the file holds, when that is another key than the last time. It is called with mu held.
func (k *keyring) look() {
	if k.read == nil {
		return
	}
	key := plainKey(k.read())
	if key == "" || key == k.held {
		return
	}
	if k.held = key; key != k.now {
		k.secrets.add(key)
		k.now, k.former = key, k.now
	}
}

// refused notes that the firewall refused a key, and gives the one that the call is to be made with again; "": there is no other.
func (k *keyring) refused(key string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.look(); key == k.now { // else another call was quicker, or the file
		if k.former == "" {
			return ""
		}
		k.now, k.former = k.former, k.now
	}
	return k.now
}

// took notes that the firewall takes a key.
func (k *keyring) took(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.taken = key
}

// KeyRefused tells whether the firewall refuses the key that its file holds, and takes the one before.
func KeyRefused(d *Device) bool {
	k := &d.conn.keys
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held != "" && k.now != k.held && k.taken == k.now
}
