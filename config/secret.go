package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const (
	redacted = "[redacted]"
	hidden   = "redacted" // the same within a URL, where brackets would be escaped
)

// Secret is a text that no log, error or rendering shows. Only Reveal gives it away.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret.
func (s Secret) String() string { return redacted }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return redacted }

// Format hides the secret from every verb: for one that does not fit a string, such as %d, fmt shows
// the bare value without asking String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON hides the secret.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// Store says where records and the blacklist are kept, and for how long. However it is printed, the
// password in its URL is hidden.
type Store struct {
	URL         string        // empty: SQLite in the state directory; else postgres://..., password included
	KeepRecords time.Duration // age at which records are dropped; at least 1d
	MaxSize     int64         // bytes that the records may take, at least 100 MB; 0: no bound
	Blocks      bool          // records are kept in blocks and files, as with SQLite always; of PostgreSQL false: in rows
}

// Redacted returns the URL for people to read: without passwords, or as "[redacted]" when it cannot
// be told where in it a password might stand. An empty URL stays empty.
func (s Store) Redacted() string {
	if s.URL == "" {
		return ""
	}
	u, err := parseStore(s.URL)
	if err != nil {
		return redacted
	}
	query := u.Query()
	for key := range query {
		if strings.Contains(strings.ToLower(key), "pass") {
			query.Set(key, hidden)
		}
	}
	u.RawQuery = query.Encode()
	if _, given := u.User.Password(); given {
		u.User = url.UserPassword(u.User.Username(), hidden)
	}
	return u.String()
}

// Format prints the store without its password, whatever the verb.
func (s Store) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "{URL:%s KeepRecords:%s MaxSize:%d Blocks:%t}", s.Redacted(), FormatDuration(s.KeepRecords), s.MaxSize, s.Blocks)
}

// MarshalJSON gives the store without its password.
func (s Store) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		URL, KeepRecords string
		MaxSize          int64
		Blocks           bool
	}{s.Redacted(), FormatDuration(s.KeepRecords), s.MaxSize, s.Blocks})
}

// hasPassword tells whether the URL carries a password.
func (s Store) hasPassword() bool {
	u, err := parseStore(s.URL)
	if err != nil {
		return false
	}
	_, inUser := u.User.Password()
	return inUser || u.Query().Has("password")
}

var (
	errStoreURL    = errors.New("is not a URL")
	errStoreScheme = errors.New("does not begin with postgres://")
	errStoreForm   = errors.New("is not in the expected form")
)

// parseStore takes the URL of a database apart. Its errors hold nothing of the URL, which may carry a
// password. An @ behind the host is what is left of a password with a bare / ? or # in it.
func parseStore(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errStoreURL
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errStoreScheme
	}
	_, err = url.ParseQuery(u.RawQuery)
	if err != nil || u.Opaque != "" || u.Fragment != "" || strings.Contains(u.Path, "@") || strings.Contains(u.RawQuery, "@") {
		return nil, errStoreForm
	}
	return u, nil
}
