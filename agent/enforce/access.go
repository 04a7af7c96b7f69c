package enforce

import (
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/config"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
)

// How long an API key lasts.
const (
	KeyUnlimited = "unlimited" // it does not end by itself
	KeyLimited   = "limited"   // it ends at Access.KeyEnds at the latest, where that is known
	KeyRenewed   = "renewed"   // it is made anew when it is refused, from user name and password
	KeyUnknown   = "unknown"   // the firewall has not told how long its keys last, or it is the Panorama's
)

// Access is what status says of how one member of an entry is reached.
type Access struct {
	Firewall string     `json:"firewall"`
	Key      string     `json:"key"`                // KeyUnlimited and so on
	KeyFile  string     `json:"key_file,omitempty"` // empty: it is not in a file
	KeyMade  *time.Time `json:"key_made_at,omitempty"`
	KeyEnds  *time.Time `json:"key_ends_at,omitempty"` // at the latest; nil: not known, or it does not
	// KeyFault is why the key file holds none now, and KeyRefused since when the firewall refuses the one it holds; the one before is used.
	KeyFault         string     `json:"key_fault,omitempty"`
	KeyFaultSince    *time.Time `json:"key_fault_since,omitempty"`
	KeyRefused       *time.Time `json:"key_refused_since,omitempty"`
	CertificateFrom  *time.Time `json:"certificate_begins_at,omitempty"` // of the first that ends of those that it is trusted by
	CertificateEnds  *time.Time `json:"certificate_ends_at,omitempty"`   // nil: none was seen yet
	CertificateNamed string     `json:"certificate_name,omitempty"`
	Unverified       bool       `json:"unverified,omitempty"` // whatever certificate is taken
}

// access is how one member of an entry is reached.
type access struct {
	name   string
	device *xmlapi.Device
	file   *keyFile // nil: its key is in none
	login  bool     // with user name and password
	others bool     // its key is that of the other member of its pair
	now    func() time.Time

	mu      sync.Mutex
	life    time.Duration
	known   bool // life is
	refused time.Time
	fault   string // as last told
	news    int    // as last told
}

// learn takes over how long keys last there.
func (a *access) learn(life time.Duration, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known {
		a.life, a.known = life, true
	}
}

// status gives the state now.
func (a *access) status() Access {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Access{Firewall: a.name, Key: KeyUnknown, Unverified: a.device.Insecure()}
	if c := xmlapi.CertificateOf(a.device); !c.Ends.IsZero() {
		s.CertificateFrom, s.CertificateEnds, s.CertificateNamed = &c.Begins, &c.Ends, xmlapi.Tidy(c.Name)
	}
	switch {
	case a.login:
		s.Key = KeyRenewed
	case a.known && a.life == 0:
		s.Key = KeyUnlimited
	case a.known:
		s.Key = KeyLimited
	}
	if a.file == nil {
		return s
	}
	fault, since, _ := a.file.state()
	s.KeyFile = a.file.path
	if made := a.file.written(); !made.IsZero() && a.refused.IsZero() { // else the key in use is another one
		s.KeyMade = &made
		if s.Key == KeyLimited {
			ends := made.Add(a.life)
			s.KeyEnds = &ends
		}
	}
	if s.KeyFault = fault; fault != "" {
		s.KeyFaultSince = &since
	}
	if !a.refused.IsZero() {
		refused := a.refused
		s.KeyRefused = &refused
	}
	return s
}

// look tells in the log what is new of the key file; true: it holds another key, with which the firewall is to be tried now.
func (a *access) look(log zerolog.Logger) bool {
	if a.file == nil {
		return false
	}
	a.file.read() // where nothing is called, nobody else does
	fault, _, news := a.file.state()
	refused := xmlapi.KeyRefused(a.device)
	a.mu.Lock()
	defer a.mu.Unlock()
	log = log.With().Str("file", a.file.path).Logger()
	switch {
	case fault != "" && fault != a.fault:
		log.Warn().Msg("the key file holds no key, and the one that it held is used: it " + fault)
	case fault == "" && a.fault != "":
		log.Info().Msg("the key file holds a key again")
	}
	switch {
	case refused && a.refused.IsZero():
		a.refused = a.now()
		log.Warn().Msg("the firewall refuses the key in its file, and the one before is used: is it of another firewall, or not whole?")
	case !refused && !a.refused.IsZero():
		a.refused = time.Time{}
		log.Info().Msg("the firewall takes the key in its file")
	}
	a.fault = fault
	fresh := news != a.news
	if a.news = news; fresh {
		log.Info().Msg("the key file holds another API key: it is used as soon as the firewall takes it")
	}
	return fresh
}

// of puts into an expectation what is known of the key.
func (a *access) of(want policy.Expectation) policy.Expectation {
	want.OthersKey = a.others
	if want.KeyRenewed = a.login; a.file != nil {
		if want.KeyFile = a.file.path; !xmlapi.KeyRefused(a.device) {
			want.KeyMade = a.file.written()
		}
	}
	return want
}

// keyFileOf is where the key of a member is; "": in none.
func keyFileOf(fw config.Firewall, name string) (path string, key config.Secret) {
	if fw.PeerAPIKeyFile != "" && name == peerName(fw) {
		return fw.PeerAPIKeyFile, fw.PeerAPIKey
	}
	return fw.APIKeyFile, fw.APIKey
}
