package panosim

import (
	"crypto/rand"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
)

// keyring holds the passwords and the keys that are valid.
type keyring struct {
	mu       sync.Mutex
	admin    string // owner of the key of Options
	now      func() time.Time
	lifetime time.Duration
	users    map[string]string
	valid    map[string]apiKey // by the key itself
	current  map[string]string // the key last made for a user
}

// apiKey is one valid key.
type apiKey struct {
	user    string
	expires time.Time // zero: never
}

// holds says whether the key is valid at a time.
func (k apiKey) holds(now time.Time) bool { return k.expires.IsZero() || now.Before(k.expires) }

// init prepares the ring with the administrator's key.
func (k *keyring) init(o Options) {
	k.admin, k.now, k.lifetime = o.Admin, o.Now, o.KeyLifetime
	k.users = maps.Clone(o.Users)
	k.valid, k.current = map[string]apiKey{}, map[string]string{}
	key := o.APIKey
	if key == "" {
		key = NewKey()
	}
	k.addLocked(k.admin, key)
}

// NewKey makes up a key as real ones are: base64 of text that is base64 itself, which has = but neither + nor /. pan-python puts
// it into an address as it is.
func NewKey() string {
	var random [36]byte
	// Never fails: crypto/rand ends the program instead.
	_, _ = rand.Read(random[:])
	random[0] %= 52 << 2 // a letter comes first, so that all keys begin with LUFRPT1, as real ones do
	return base64.StdEncoding.EncodeToString([]byte("-AQ==" + base64.StdEncoding.EncodeToString(random[:])))
}

// addLocked takes a key in, and drops those that have expired: each keygen makes another one.
func (k *keyring) addLocked(user, key string) {
	maps.DeleteFunc(k.valid, func(_ string, other apiKey) bool { return !other.holds(k.now()) })
	entry := apiKey{user: user}
	if k.lifetime > 0 {
		entry.expires = k.now().Add(k.lifetime)
	}
	k.valid[key], k.current[user] = entry, key
}

// generate answers a keygen; false means that name or password is wrong.
func (k *keyring) generate(user, password string) (string, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	want, known := k.users[user]
	if !known || want != password {
		return "", false
	}
	return k.giveLocked(user), true
}

// giveLocked gives the key of a user whose password is right.
func (k *keyring) giveLocked(user string) string {
	// With a lifetime set every generated key is unique ("Configure API Key Lifetime" in the PAN-OS documentation).
	if key, ok := k.current[user]; ok && k.lifetime == 0 {
		return key
	}
	key := NewKey()
	k.addLocked(user, key)
	return key
}

// generateByHash is generate for an administrator of whom the candidate holds the hash of a password: pan-os-python's live tests log
// in without a commit.
func (s *Sim) generateByHash(user, password string) (string, bool) {
	s.mu.Lock()
	hash := s.config.Candidate().Down("mgt-config", "users").Entry(user).Value("phash")
	s.mu.Unlock()
	if hash == "" || hash != hashOf(password) {
		return "", false
	}
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	return s.keys.giveLocked(user), true
}

// owner gives the user of the key; false: it is not valid now.
func (k *keyring) owner(key string) (string, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	entry, ok := k.valid[key]
	return entry.user, ok && entry.holds(k.now())
}

// keyOwner is owner, of the firewall's own keys or of its peer's where the pair shares them.
func (s *Sim) keyOwner(key string) (string, bool) {
	user, ok := s.keys.owner(key)
	m := s.seat.Load()
	if ok || m == nil {
		return user, ok
	}
	s.mu.Lock()
	shared := s.dialect.PairKeys == dialect.PairKeysShared
	s.mu.Unlock()
	if !shared {
		return "", false
	}
	return m.peer().sim.keys.owner(key)
}

// Key is the administrator's key that is valid now. After RevokeKey it is another one than before.
func (s *Sim) Key() string {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	return s.keys.current[s.keys.admin]
}

// RevokeKey makes every key given out so far invalid, as an operator can ("Revoking keys" in the PAN-OS
// documentation), and makes a new one for the administrator, which Key returns.
func (s *Sim) RevokeKey() {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	clear(s.keys.valid)
	clear(s.keys.current)
	s.keys.addLocked(s.keys.admin, NewKey())
}

// SetPassword sets the password of a user, who is created if need be, and makes the user's keys invalid.
func (s *Sim) SetPassword(user, password string) {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	if s.keys.users == nil {
		s.keys.users = map[string]string{}
	}
	s.keys.users[user] = password
	maps.DeleteFunc(s.keys.valid, func(_ string, key apiKey) bool { return key.user == user })
	delete(s.keys.current, user)
	if user == s.keys.admin {
		s.keys.addLocked(s.keys.admin, NewKey())
	}
}

// Deny takes from the administrators' role the right to these types of call ("user-id", "op"); without any,
// everything is allowed again. Dialect.Denied chooses the shape of the refusal.
func (s *Sim) Deny(types ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.denied)
	for _, t := range types {
		s.denied[t] = true
	}
}

// keygen answers type=keygen.
func keygen(s *Sim, c *call) answer.Answer {
	user, password := c.form.Get("user"), c.form.Get("password")
	key, ok := s.keys.generate(user, password)
	if !ok {
		key, ok = s.generateByHash(user, password)
	}
	if !ok {
		return answer.Forbidden("Invalid Credential")
	}
	s.mu.Lock()
	escaped := s.dialect.Keygen == dialect.KeygenEscaped
	s.mu.Unlock()
	if escaped {
		key = url.QueryEscape(key)
	}
	return answer.XML(http.StatusOK, "<response status = 'success'><result><key>"+answer.Escape(key)+"</key></result></response>")
}
