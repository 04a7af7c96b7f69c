package main

import (
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall/panosim"
)

// rights are those that a role can have over the XML API.
var rights = []panosim.Right{
	panosim.RightReport, panosim.RightLog, panosim.RightConfiguration, panosim.RightOperation, panosim.RightCommit,
	panosim.RightUserID, panosim.RightIoT, panosim.RightExport, panosim.RightImport,
}

func (l *lab) role(args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	admin, granted := args[0], args[1:]
	if slices.Equal(granted, []string{"superuser"}) {
		l.current.Config().SetRole(admin)
		l.say("%s is a superuser", admin)
		return nil
	}
	var allowed []panosim.Right
	for _, name := range granted {
		if !slices.Contains(rights, panosim.Right(name)) {
			return fmt.Errorf("no right is called %q; there is superuser, or some of %v", name, rights)
		}
		allowed = append(allowed, panosim.Right(name))
	}
	l.current.Config().SetRole(admin, allowed...)
	l.say("%s has a role with %s alone", admin, strings.Join(granted, ", "))
	return nil
}

func (l *lab) edit(args []string) error {
	if len(args) < 3 {
		return errUsage
	}
	if err := l.current.Config().Edit(args[0], args[1], args[2], strings.Join(args[3:], " ")); err != nil {
		return err
	}
	l.say("%d edits of %s wait for a commit", l.current.Config().Pending(args[0]), args[0])
	return nil
}

func (l *lab) commit(args []string) error {
	if len(args) > 1 {
		return errUsage
	}
	admin := "admin"
	if len(args) == 1 {
		admin = args[0]
	}
	return l.current.Config().Commit(admin)
}

func (l *lab) lock(args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	switch args[0] {
	case "config":
		l.current.Config().LockConfig(args[1], "")
	case "commit":
		l.current.Config().LockCommit(args[1], "")
	default:
		return errUsage
	}
	l.say("%s holds the %s lock", args[1], args[0])
	return nil
}

func (l *lab) unlock([]string) error {
	l.current.Config().UnlockConfig("")
	l.current.Config().UnlockCommit("")
	l.say("no lock is held")
	return nil
}

func (l *lab) config([]string) error {
	l.say("%s", l.current.Config().Running())
	return nil
}

func (l *lab) candidate([]string) error {
	l.say("%s", l.current.Config().Candidate())
	return nil
}
