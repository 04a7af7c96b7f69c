package enforce

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/capacity"
	"activedefense/firewall/xmlapi"
)

// Status is what `status` and /status say of one firewall.
type Status struct {
	Name             string     `json:"name"`
	Mode             string     `json:"mode"`
	State            string     `json:"state"`             // StateUp, StateDown, StateStandby, StateMaintenance, or StateUnknown before its first answer
	Since            time.Time  `json:"since"`             // when that began; of an unknown one, when the agent did
	Up               bool       `json:"up"`                // it is up or stands by: it answers, and the last pass succeeded
	Standby          bool       `json:"standby,omitempty"` // a passive member of a pair, which takes no tags until it is active
	Error            string     `json:"error,omitempty"`
	ErrorKind        string     `json:"error_kind,omitempty"`
	ErrorSince       *time.Time `json:"error_since,omitempty"`
	Committing       bool       `json:"committing,omitempty"` // a commit of ours runs, during which it may not answer
	Failures         uint64     `json:"failures"`             // passes failed in a row
	Model            string     `json:"model,omitempty"`
	Version          string     `json:"version,omitempty"`
	Hostname         string     `json:"hostname,omitempty"`
	Desired          int        `json:"desired"` // addresses on the blacklist
	Tags             int        `json:"tags"`    // of ours that stand on the firewall; see Counted
	LastSuccess      *time.Time `json:"last_success,omitempty"`
	LastFull         *time.Time `json:"last_full,omitempty"` // when everything was last read back
	SeenAt           *time.Time `json:"seen_at,omitempty"`   // when all that it holds was last read, and what Tags counts was there but for Unseen
	Unseen           int        `json:"unseen"`              // of Tags: written, and not read back yet
	PlanAdd          int        `json:"plan_add"`            // of the last pass
	PlanRemove       int        `json:"plan_remove"`
	Unsupported      []string   `json:"unsupported,omitempty"` // addresses the mode cannot hold, with the reason; the first ones
	UnsupportedCount int        `json:"unsupported_count"`
	Refused          []string   `json:"refused,omitempty"` // addresses that the firewall refused, with its words; the first ones
	RefusedCount     int        `json:"refused_count"`
	Untagged         []string   `json:"untagged,omitempty"`      // blocked addresses whose rule's tag it refused, with its words; the first ones
	Undeleted        []string   `json:"undeleted,omitempty"`     // released addresses whose address object it does not delete, with its words; the first ones
	LeftOut          int        `json:"left_out"`                // blocked sources for which it has no room
	Capacity         int        `json:"capacity"`                // how many there is room for, of all owners together; 0: neither firewall nor model say
	CapacityFrom     string     `json:"capacity_from,omitempty"` // who says so
	CapacityUsed     int        `json:"capacity_used"`           // by all owners, as far as is known
	FullSince        *time.Time `json:"full_since,omitempty"`    // since when nine tenths of it or more are used, or blocked sources are left out
	ListIgnored      int        `json:"list_ignored"`            // entries for which the firewall has no room; only in mode edl
	ListInvalid      int        `json:"list_invalid"`            // lines of the list that it calls no entries; likewise
	Brake            string     `json:"brake,omitempty"`         // why removals are held back
	Braked           int        `json:"braked"`                  // how many addresses stand that should not, because of it
	Strays           int        `json:"strays"`                  // what it holds under our tag or in our group, and this database never blocked
	StraysNamed      []string   `json:"strays_named,omitempty"`  // the first of them
	StraysSince      *time.Time `json:"strays_since,omitempty"`  // since when there are some
	Waiting          float64    `json:"waiting_seconds"`         // until changes that wait for a commit or a refresh are carried out
	Fallback         bool       `json:"fallback"`                // the list stands in for what the mode cannot do
	Access           []Access   `json:"access,omitempty"`        // of each member
}

// Counted tells whether Desired and Tags are known: they are not before the first answer, and of a firewall in maintenance.
func (s *Status) Counted() bool { return s.State != StateMaintenance && s.State != StateUnknown }

// show updates the state for status and metrics, and logs what changed.
func (e *Enforcer) show(r firewall.Report, desired int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, now := &e.state, e.now()
	s.Desired = desired
	for _, d := range slices.Backward(e.devices) {
		if info := d.Info(); info.Version != "" {
			s.Model, s.Version, s.Hostname = info.Model, info.Version, info.Hostname
		}
	}
	s.Waiting, s.Fallback = r.Waiting.Seconds(), e.fallback != nil && e.fallback.active.Load()
	s.ListIgnored, s.ListInvalid = r.Ignored, r.Invalid
	s.PlanAdd, s.PlanRemove = len(r.Registered)+len(r.Renewed), len(r.Unregistered)
	switch {
	case e.standsBy(err):
		if !s.Standby {
			e.log.Info().Msg("HA member is passive and does not accept tags; it will be synchronized when it becomes active")
		}
		e.well(StateStandby)
		return
	case err != nil:
		e.failed(s, err)
		return
	}
	if r.Calls > 0 || r.Full { // else nothing was asked, which says nothing of the firewall
		if s.Standby {
			e.log.Info().Msg("HA member accepts tags now and is in sync")
		}
		if s.ErrorSince != nil {
			e.log.Info().Uint64("failures", s.Failures).Dur("away", now.Sub(*s.ErrorSince)).Msg("firewall is back and in sync")
		}
		e.well(StateUp)
		s.LastSuccess = &now
	}
	s.Tags, s.LeftOut = r.Standing, len(r.LeftOut)+r.Unnamed
	if r.Full {
		s.LastFull = &now
	}
	if !r.ReadAt.IsZero() {
		s.SeenAt = &r.ReadAt
	}
	s.Unseen = r.Unread
	e.showRoom(s, r, now)
	if n := lost(r); n > 0 {
		e.log.Warn().Int("count", n).Msg("the firewall no longer held what was written to it; what there is room for was written again")
	}
	e.showDetails(s, r)
	if len(r.Registered)+len(r.Unregistered) > 0 || r.Committed {
		message := "firewall in sync"
		if r.Committed {
			message += " after a commit"
		}
		e.log.Info().Int("registered", len(r.Registered)).Int("renewed", len(r.Renewed)).Int("unregistered", len(r.Unregistered)).
			Int("standing", r.Standing).Dur("took", r.Took).Msg(message)
	}
}

// failed notes a failed pass: the first is logged, and any of another kind.
func (e *Enforcer) failed(s *Status, err error) {
	kind := xmlapi.Kind(err)
	if s.Failures == 0 || kind != s.ErrorKind {
		meanwhile := "the list serves as fallback"
		switch {
		case s.Mode == firewall.ModeList:
			meanwhile = "it keeps the list it fetched last, if any" // and "activedefense verify" says what is missing
		case e.fallback == nil:
			meanwhile = "there is no fallback, because no list is served (edl.listen)"
		}
		e.log.Error().Err(err).Str("kind", kind).Msg("cannot synchronize the firewall; retrying; " + meanwhile)
	}
	e.trouble(err)
	s.Failures++
}

// showDetails names what could not be enforced, when it changes.
func (e *Enforcer) showDetails(s *Status, r firewall.Report) {
	unsupported := make([]string, 0, min(len(r.Unsupported), namedRefusals))
	for _, u := range r.Unsupported[:min(len(r.Unsupported), namedRefusals)] {
		unsupported = append(unsupported, firewall.FormatAddress(u.Prefix)+": "+u.Reason)
	}
	if len(r.Unsupported) != s.UnsupportedCount && len(r.Unsupported) > 0 {
		e.log.Warn().Int("count", len(r.Unsupported)).Strs("addresses", unsupported).
			Msg("not enforceable in this firewall's mode; they stay on the list")
	}
	s.Unsupported, s.UnsupportedCount = unsupported, len(r.Unsupported)

	e.showRefused(s, r)
	e.showUntagged(s, r)
	e.showUndeleted(s, r)
	e.showStrays(s, r)
	brake := ""
	s.Braked = 0
	if r.Braked != nil {
		s.Braked = r.Braked.Remove
		brake = fmt.Sprintf("%s; held back until firewalls[].max_removal_percent of %s is raised", r.Braked, e.name)
	}
	// The numbers change with every block; the log has those of the beginning, status those of now.
	switch {
	case brake != "" && s.Brake == "":
		e.log.Error().Msg("BRAKE: " + brake)
	case brake == "" && s.Brake != "":
		e.log.Info().Msg("brake off: removals resume")
	}
	s.Brake = brake
}

// showRefused names what the firewall refused. A full pass tries everything anew; the ones in between
// report only what was refused in addition.
func (e *Enforcer) showRefused(s *Status, r firewall.Report) {
	before := s.RefusedCount
	if r.Full {
		s.Refused, s.RefusedCount = nil, 0
	}
	s.RefusedCount += len(r.Refused)
	for _, x := range r.Refused[:min(len(r.Refused), namedRefusals-min(len(s.Refused), namedRefusals))] {
		s.Refused = append(s.Refused, firewall.FormatAddress(x.Prefix)+": "+x.Message)
	}
	if s.RefusedCount > 0 && s.RefusedCount != before {
		e.log.Error().Int("count", s.RefusedCount).Strs("addresses", s.Refused).
			Msg("refused by the firewall; they stay on the list and are retried with the next full pass")
	}
}

// lost is how many addresses the firewall had let go of that are to stand, and were written again or gave their room to others.
func lost(r firewall.Report) (n int) {
	again := firewall.PrefixSet(r.Registered)
	for _, prefix := range r.LeftOut {
		again[prefix] = true
	}
	for _, prefix := range r.Gone {
		if again[prefix] {
			n++
		}
	}
	return n
}

// showRoom tells when the room on the firewall runs short, once, and when there is enough again.
func (e *Enforcer) showRoom(s *Status, r firewall.Report, now time.Time) {
	s.Capacity, s.CapacityFrom, s.CapacityUsed = r.Room.Most, r.Room.From, r.Room.Used
	short := s.LeftOut > 0 || r.Room.Percent() >= capacity.WarnFrom
	switch {
	case short && s.FullSince == nil:
		s.FullSince = cmp.Or(e.fullBefore, &now)
		e.log.Warn().Int("left_out", s.LeftOut).Int("used", s.CapacityUsed).Int("capacity", s.Capacity).
			Msg("the firewall is running out of room: what does not fit is left out, forgeable before proven, longest quiet first")
	case !short && s.FullSince != nil:
		s.FullSince = nil
		e.log.Info().Int("used", s.CapacityUsed).Int("capacity", s.Capacity).Msg("the firewall has room again")
	}
	e.fullBefore = nil
}

// showStrays names what stands and was never ours. Full passes alone look.
func (e *Enforcer) showStrays(s *Status, r firewall.Report) {
	if !r.Sorted {
		return
	}
	s.Strays, s.StraysNamed = len(r.Stray), nil
	for _, prefix := range r.Stray[:min(len(r.Stray), namedRefusals)] {
		s.StraysNamed = append(s.StraysNamed, firewall.FormatAddress(prefix))
	}
	switch now := e.now(); {
	case s.Strays > 0 && s.StraysSince == nil:
		s.StraysSince = cmp.Or(e.straysBefore, &now)
		e.log.Error().Int("count", s.Strays).Strs("addresses", s.StraysNamed).
			Msg("the firewall holds under our tag, or in our group, what this database never blocked; none of it is removed: see status")
	case s.Strays == 0 && s.StraysSince != nil:
		s.StraysSince = nil
		e.log.Info().Msg("the firewall holds nothing any more that this database never blocked")
	}
	e.straysBefore = nil
}

// showUntagged names what is blocked and has not the tag of its rule, or still has it. As with what is refused, a full pass tries
// everything anew.
func (e *Enforcer) showUntagged(s *Status, r firewall.Report) {
	before := len(s.Untagged)
	if r.Full {
		s.Untagged = nil
	}
	for _, x := range r.Untagged[:min(len(r.Untagged), namedRefusals-min(len(s.Untagged), namedRefusals))] {
		s.Untagged = append(s.Untagged, firewall.FormatAddress(x.Prefix)+": "+x.Message)
	}
	if before == 0 && len(s.Untagged) > 0 {
		e.log.Warn().Strs("addresses", s.Untagged).Msg("the firewall refused tags of rules; the addresses are blocked all the same, and it is retried with the next full pass")
	}
}

// showUndeleted names what is released and left an address object behind, until a full pass has not to name it any more.
func (e *Enforcer) showUndeleted(s *Status, r firewall.Report) {
	before := s.Undeleted
	if r.Full {
		s.Undeleted = nil
	}
	for _, x := range r.Undeleted {
		if text := firewall.FormatAddress(x.Prefix) + ": " + x.Message; len(s.Undeleted) < namedRefusals && !slices.Contains(s.Undeleted, text) {
			s.Undeleted = append(s.Undeleted, text)
		}
	}
	if len(before) == 0 && len(s.Undeleted) > 0 {
		e.log.Warn().Strs("addresses", s.Undeleted).Msg("the firewall does not delete address objects; the addresses are released all the same, and it is retried with the next full pass")
	}
}

// Status gives the state now.
func (e *Enforcer) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.state
	for _, d := range e.devices {
		s.Committing = s.Committing || e.calls.committing(d.Name())
	}
	for _, way := range e.ways {
		s.Access = append(s.Access, way.status())
	}
	s.Unsupported, s.Refused, s.Untagged = slices.Clone(s.Unsupported), slices.Clone(s.Refused), slices.Clone(s.Untagged)
	s.Undeleted = slices.Clone(s.Undeleted)
	return s
}
