package panosim

import "time"

// lock is a lock that an administrator holds on a scope: "shared", or the name of a virtual system.
type lock struct {
	commit  bool // on commits, not on the configuration
	admin   string
	scope   string
	comment string
	made    time.Time
}

// LockConfig has an administrator take the lock on the configuration of a scope ("" is shared).
func (s *Sim) LockConfig(admin, scope string) { s.lock(lock{admin: admin, scope: scope}) }

// LockCommit has an administrator take the lock on commits of a scope ("" is shared).
func (s *Sim) LockCommit(admin, scope string) { s.lock(lock{commit: true, admin: admin, scope: scope}) }

// UnlockConfig takes the lock on the configuration of a scope away, whoever holds it.
func (s *Sim) UnlockConfig(scope string) { s.unlock(false, scope) }

// UnlockCommit takes the locks on commits of a scope away, whoever holds them.
func (s *Sim) UnlockCommit(scope string) { s.unlock(true, scope) }

func (s *Sim) lock(l lock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.scope == "" {
		l.scope = "shared"
	}
	l.made = s.opts.Now()
	s.config.locks = append(s.config.locks, l)
}

func (s *Sim) unlock(commit bool, scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if scope == "" {
		scope = "shared"
	}
	var kept []lock
	for _, l := range s.config.locks {
		if l.commit != commit || l.scope != scope {
			kept = append(kept, l)
		}
	}
	s.config.locks = kept
}
