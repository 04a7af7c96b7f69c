package candidate

import (
	"fmt"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/devicegroup"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/panosim/xmltree"
)

// Options says what a configuration needs of its firewall.
type Options struct {
	Now        func() time.Time
	Version    dialect.Version
	Dialect    *dialect.Dialect
	VSys       []string            // virtual systems that can be locked
	CommitTime time.Duration       // how long a commit takes by the firewall's clock
	Jobs       *jobs.List          // commits run in its queue
	Pushed     *devicegroup.Pushed // what Panorama pushed can be referred to
	// Done is told what an administrator has done: cmd is the action, or commit; path is that of the command line, and with xpath
	// empty for a commit. Nil: nobody is.
	Done func(admin, cmd, path, xpath string)
}

// Config is the configuration of a firewall: what runs and what has been edited since, with the locks on it.
//
// The caller of every method holds the lock that guards ConfigOptions.Jobs and ConfigOptions.Dialect. The elements that
// methods give are never modified: they may be read without it.
type Config struct {
	o       Options
	journal journal
	locks   *Locks
	hooks   []func()
	files   *Files

	failCommit, warnCommit []string // lines with which the next commit fails, or that it warns of
}

// New makes one that runs what the XML says, <config>...</config>.
func New(running string, o Options) (*Config, error) {
	root, err := xmltree.ParseConfig(running)
	if err != nil {
		return nil, err
	}
	if root.Name != "config" {
		return nil, fmt.Errorf("expected <config>, found <%s>", root.Name)
	}
	if o.Done == nil {
		o.Done = func(string, string, string, string) {}
	}
	c := &Config{o: o, journal: newJournal(root)}
	c.locks, c.files = &Locks{config: c}, &Files{config: c, saved: map[string]*xmltree.Element{}}
	return c, nil
}

// Factory is the configuration of a firewall that nobody has configured: an administrator, a name, and in each virtual system the
// zones trust and untrust.
func Factory(v dialect.Version, admin, hostname string, vsys []string) string {
	var b strings.Builder
	for _, name := range vsys {
		fmt.Fprintf(&b, `<entry name="%s"><zone><entry name="trust"><network><layer3/></network></entry>`+
			`<entry name="untrust"><network><layer3/></network></entry></zone>`+
			`<rulebase><security><rules/></security></rulebase></entry>`, answer.Escape(name))
	}
	return factory(v, admin, hostname, "<vsys>"+b.String()+"</vsys>")
}

// PanoramaFactory is that of a Panorama: an administrator, a name and no device group.
func PanoramaFactory(v dialect.Version, admin, hostname string) string {
	return factory(v, admin, hostname, "<device-group/>")
}

func factory(v dialect.Version, admin, hostname, device string) string {
	// The version of the configuration's format is that of PAN-OS without its patch.
	return fmt.Sprintf(`<config version="%d.%d.0"><mgt-config><users><entry name="%s"><permissions><role-based>`+
		`<superuser>yes</superuser></role-based></permissions></entry></users></mgt-config><shared/>`+
		`<devices><entry name="`+dialect.Localhost+`"><deviceconfig><system><hostname>%s</hostname></system></deviceconfig>%s</entry></devices></config>`,
		v.Major, v.Minor, answer.Escape(admin), answer.Escape(hostname), device)
}

// Running is the running configuration, <config>. A commit replaces it.
func (c *Config) Running() *xmltree.Element {
	c.o.Jobs.Due()
	return c.journal.running
}

// Candidate is the candidate. The next edit replaces it.
func (c *Config) Candidate() *xmltree.Element { return c.journal.candidate.State() }

// Locks gives the locks on the configuration and on commits.
func (c *Config) Locks() *Locks { return c.locks }

// Files gives the configurations that are kept under a name.
func (c *Config) Files() *Files { return c.files }

// OnCommit has a function called after each change of the running configuration: it must not block, and may start what
// takes longer elsewhere.
func (c *Config) OnCommit(f func()) { c.hooks = append(c.hooks, f) }

// SetRunning replaces the running configuration. What is in the journal stays there.
func (c *Config) SetRunning(root *xmltree.Element) {
	c.journal.setRunning(root)
	for _, f := range c.hooks {
		f()
	}
}

// Overwrite replaces the running configuration and drops every edit, as the synchronisation of a pair does. What is the
// same already, with nothing pending, is left alone.
func (c *Config) Overwrite(root *xmltree.Element) {
	if root.Equal(c.Running()) && len(c.journal.edits) == 0 {
		return
	}
	c.journal.drop(func(*edit) bool { return true })
	c.SetRunning(root)
}

// Marked gives the whole candidate as XML, with the attributes of what is not committed.
func (c *Config) Marked() string {
	c.o.Jobs.Due()
	var b strings.Builder
	c.journal.candidate.Root.Write(&b, marked(c.o.Dialect.Marking))
	return b.String()
}

// marked chooses the elements of a candidate that show by which edit they were touched; nil: none does.
func marked(m dialect.Marking) func(*xmltree.Element) bool {
	switch m {
	case dialect.MarkTouched:
		return func(*xmltree.Element) bool { return true }
	case dialect.MarkEntries:
		return func(e *xmltree.Element) bool { return e.Name == "entry" }
	}
	return nil
}

// Pending is the number of an administrator's edits that are not committed; of "" it is that of all.
func (c *Config) Pending(admin string) int {
	c.o.Jobs.Due()
	return c.journal.pending(admin)
}

// Restart is what a restart of the firewall does: no commit is queued any more, and what is not committed fares as the
// dialect says.
func (c *Config) Restart() {
	for _, e := range c.journal.edits {
		e.queued = false
	}
	if c.o.Dialect.CandidateOverReboot == dialect.CandidateLost {
		c.journal.revert(func(*edit) bool { return true })
	}
}
