package panosim

import (
	"slices"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/edl"
	"activedefense/firewall/panosim/userid"
)

// Options says which firewall to simulate. The zero value is a PA-VM with PAN-OS 10.2.9-h1, one virtual system,
// one administrator key and the zero Dialect.
type Options struct {
	Version  string // of PAN-OS, three numbers and an optional hotfix; "" is 10.2.9-h1
	Model    string // "" is PA-VM
	Serial   string // "" is 007000000000001
	Hostname string // "" is lab-fw-01
	Threats  string // version of the threat content; "0": there is none; "" is 8700-8709
	Listen   string // management address as host:port; "" is a free port of 127.0.0.1

	Admin       string            // owner of APIKey, and of the edits made with it; "" is "admin"
	APIKey      string            // "" makes one up
	Users       map[string]string // name to password, for keygen; nil refuses every keygen
	KeyLifetime time.Duration     // 0: keys do not expire, and one user always gets the same key

	VSys    []string // virtual systems; nil is vsys1 alone. The first one is meant when a call names none
	Dialect dialect.Dialect

	// Config is the running configuration at the start as XML, <config>...</config>; "" is a factory default: the
	// zones trust and untrust in each virtual system, and no rules.
	Config string
	// CommitTime is how long a commit takes by the firewall's clock; 0: it has ended when it is first asked for.
	CommitTime time.Duration

	// LastJob is the number of the last job before the start; 0: the first one is number 1.
	LastJob int

	// MaxRegistered is the platform's limit of registered addresses over all virtual systems, and MaxListEntries that
	// of entries of External Dynamic Lists that rules name; 0 is what the documentation says of the model.
	MaxRegistered, MaxListEntries int

	MaxRequest   int64         // largest request body in bytes; 0 is 5 MiB (PAN-OS XML API documentation)
	Latency      time.Duration // every call takes at least this long
	GroupLag     time.Duration // dynamic address groups know what is registered so much later, by the firewall's clock
	FetchTimeout time.Duration // of one External Dynamic List, by the wall clock; 0 is 30 s

	Now      func() time.Time    // the firewall's clock; nil is time.Now
	OnChange func(userid.Change) // called after each change, outside all locks; nil: nobody is told
	OnLog    func(line []byte)   // called for each syslog message with its header, outside all locks; to be read only
}

// Defaults of Options, each from the place its comment there names.
const (
	defaultVersion    = "10.2.9-h1"
	defaultMaxRequest = 5 << 20
	maxQuery          = 2048 // bytes of a URL's query: "GET ... less than 2K" in the PAN-OS XML API documentation
)

// withDefaults fills in what the zero value leaves open.
func (o Options) withDefaults() Options {
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	def(&o.Version, defaultVersion)
	def(&o.Model, "PA-VM")
	def(&o.Serial, "007000000000001")
	def(&o.Hostname, "lab-fw-01")
	def(&o.Listen, "127.0.0.1:0")
	def(&o.Admin, "admin")
	if len(o.VSys) == 0 {
		o.VSys = []string{"vsys1"}
	}
	o.VSys = slices.Clone(o.VSys)
	o.limits()
	if o.FetchTimeout == 0 {
		o.FetchTimeout = edl.DefaultFetchTimeout
	}
	if o.MaxRequest == 0 {
		o.MaxRequest = defaultMaxRequest
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// registeredLimits is how many addresses a model can have registered (PAN-OS 11.0, "Use Dynamic Address Groups in
// Policy"). A PA-VM shows no other name whatever its capacity; here it is the smallest of those with a number of its
// own, the VM-100.
var registeredLimits = map[string]int{
	"PA-VM": 2_500, "VM-50": 1_000, "VM-100": 2_500, "VM-300": 200_000, "VM-500": 300_000, "VM-700": 300_000,
	"PA-220": 1_000, "PA-410": 1_000, "PA-440": 50_000, "PA-450": 100_000, "PA-460": 100_000,
	"PA-820": 1_000, "PA-850": 2_500,
	"PA-3220": 200_000, "PA-3250": 200_000, "PA-3260": 200_000,
	"PA-3410": 150_000, "PA-3420": 150_000, "PA-3430": 200_000, "PA-3440": 200_000,
	"PA-5220": 500_000, "PA-5250": 500_000, "PA-5260": 500_000, "PA-5280": 500_000,
	"PA-5410": 500_000, "PA-5420": 500_000, "PA-5430": 500_000, "PA-5440": 500_000, "PA-5450": 100_000,
	"PA-7050": 100_000, "PA-7080": 100_000,
	"Panorama": 500_000, "M-200": 500_000, "M-300": 500_000, "M-500": 500_000, "M-600": 500_000, "M-700": 500_000,
}

// listLimits is how many entries the External Dynamic Lists of a model can have in all, where that is not 50,000
// ("PA-3200 Series, PA-5200 Series and PA-7000 Series: 150,000"). No source names newer models.
var listLimits = map[string]int{
	"PA-3220": 150_000, "PA-3250": 150_000, "PA-3260": 150_000,
	"PA-5220": 150_000, "PA-5250": 150_000, "PA-5260": 150_000, "PA-5280": 150_000,
	"PA-7050": 150_000, "PA-7080": 150_000,
}

// limits fills in what the model decides.
func (o *Options) limits() {
	if o.MaxRegistered == 0 {
		if o.MaxRegistered = registeredLimits[o.Model]; o.MaxRegistered == 0 {
			o.MaxRegistered = registeredLimits["PA-VM"]
		}
	}
	if o.MaxListEntries == 0 {
		if o.MaxListEntries = listLimits[o.Model]; o.MaxListEntries == 0 {
			o.MaxListEntries = edl.DefaultMaxListEntries
		}
	}
}
