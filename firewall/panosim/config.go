package panosim

import (
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// configuration is the running configuration with what has been edited since: a journal of edits, each with its
// administrator, and the candidate, which is the running configuration with the journal carried out. An edit that
// is committed or reverted leaves the journal, and the candidate is made anew from what stays; so the edits of one
// administrator can be published or dropped and those of the others stay as they are.
type configuration struct {
	running   *xmltree.Element
	candidate xmltree.Tree
	journal   []*edit
	edits     int // so many were made so far
	hooks     []func(old, new *xmltree.Element)
	locks     []lock

	failCommit, warnCommit []string // lines with which the next commit fails, or that it warns of
}

// localhost is the name that a firewall gives itself in its configuration.
const localhost = "localhost.localdomain"

// factory is the configuration of a firewall that nobody has configured.
func factory(o Options) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<config version="%[1]s"><mgt-config><users><entry name="%[2]s"><permissions><role-based>`+
		`<superuser>yes</superuser></role-based></permissions></entry></users></mgt-config><shared/>`+
		`<devices><entry name="`+localhost+`"><vsys>`, versionOf(o), answer.Escape(o.Admin))
	for _, vsys := range o.VSys {
		fmt.Fprintf(&b, `<entry name="%s"><zone><entry name="trust"><network><layer3/></network></entry>`+
			`<entry name="untrust"><network><layer3/></network></entry></zone>`+
			`<rulebase><security><rules/></security></rulebase></entry>`, answer.Escape(vsys))
	}
	b.WriteString(`</vsys></entry></devices></config>`)
	return b.String()
}

// versionOf is the version of the configuration's format: that of PAN-OS without its patch.
func versionOf(o Options) string {
	parts := strings.SplitN(o.Version, ".", 3)
	return strings.Join(append(parts[:min(2, len(parts))], "0"), ".")
}

// init reads the configuration with which the firewall starts.
func (c *configuration) init(o Options) error {
	text := o.Config
	if text == "" {
		text = factory(o)
	}
	root, err := xmltree.ParseConfig(text)
	if err != nil {
		return fmt.Errorf("Options.Config: %w", err)
	}
	if root.Name != "config" {
		return fmt.Errorf("Options.Config: expected <config>, found <%s>", root.Name)
	}
	c.running, c.candidate = root, xmltree.NewTree(root)
	return nil
}

// runningLocked is the running configuration, <config>. It is never modified: a commit replaces it.
func (s *Sim) runningLocked() *xmltree.Element {
	s.runJobsLocked()
	return s.config.running
}

// candidateLocked is the candidate, which is not modified either: the next edit replaces it.
func (s *Sim) candidateLocked() *xmltree.Element { return s.config.candidate.State() }

// onCommitLocked has a function called after each change of the running configuration, with the lock held: it must
// not block, and may start what takes longer elsewhere.
func (s *Sim) onCommitLocked(f func(old, new *xmltree.Element)) {
	s.config.hooks = append(s.config.hooks, f)
}

// setRunningLocked replaces the running configuration. What is in the journal stays there.
func (s *Sim) setRunningLocked(root *xmltree.Element) {
	old := s.config.running
	s.config.running = root
	s.config.rebuild()
	for _, f := range s.config.hooks {
		f(old, root)
	}
}

// rebuild makes the candidate anew. An edit that can no longer be carried out (it built on another that is gone)
// leaves the journal: there is nothing left that it would do.
func (c *configuration) rebuild() {
	c.candidate = xmltree.NewTree(c.running)
	c.journal = slices.DeleteFunc(slices.Clone(c.journal), func(e *edit) bool { return !e.replay(&c.candidate) })
}

// Running gives the running configuration as XML.
func (s *Sim) Running() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runningLocked().String()
}

// Candidate gives the whole candidate as XML, with the attributes of what is not committed.
func (s *Sim) Candidate() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	var b strings.Builder
	s.config.candidate.Root.Write(&b, marked(s.dialect.Marking))
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
func (s *Sim) Pending(admin string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	n := 0
	for _, e := range s.config.journal {
		if admin == "" || e.admin == admin {
			n++
		}
	}
	return n
}

// refusal is why a call is not carried out, as the firewall answers it.
type refusal struct {
	code  int // 0: the answer has none
	lines []string
	soft  bool // status="success" all the same, as for an object that is not there
}

func refuse(code int, lines ...string) *refusal { return &refusal{code: code, lines: lines} }

// Error makes it an error for callers in Go.
func (r *refusal) Error() string {
	return fmt.Sprintf("code %d: %s", r.code, strings.Join(r.lines, " | "))
}

// missing is the refusal to touch what is not there.
func missing() *refusal {
	return &refusal{code: 7, lines: []string{"Object doesn't exist"}, soft: true}
}

// badPath is the refusal of an xpath that is none.
func badPath() *refusal { return refuse(6, "Bad XPath") }
