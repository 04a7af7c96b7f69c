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

func (c *console) role(args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	admin, granted := args[0], args[1:]
	if slices.Equal(granted, []string{"superuser"}) {
		c.current.Config().SetRole(admin)
		c.say("%s is a superuser", admin)
		return nil
	}
	var allowed []panosim.Right
	for _, name := range granted {
		if !slices.Contains(rights, panosim.Right(name)) {
			return fmt.Errorf("no right is called %q; there is superuser, or some of %v", name, rights)
		}
		allowed = append(allowed, panosim.Right(name))
	}
	c.current.Config().SetRole(admin, allowed...)
	c.say("%s has a role with %s alone", admin, strings.Join(granted, ", "))
	return nil
}

func (c *console) edit(args []string) error {
	if len(args) < 3 {
		return errUsage
	}
	if err := c.current.Config().Edit(args[0], args[1], args[2], strings.Join(args[3:], " ")); err != nil {
		return err
	}
	c.say("%d edits of %s wait for a commit", c.current.Config().Pending(args[0]), args[0])
	return nil
}

func (c *console) commit(args []string) error {
	if len(args) > 1 {
		return errUsage
	}
	admin := "admin"
	if len(args) == 1 {
		admin = args[0]
	}
	return c.current.Config().Commit(admin)
}

func (c *console) lock(args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	switch args[0] {
	case "config":
		c.current.Config().LockConfig(args[1], "")
	case "commit":
		c.current.Config().LockCommit(args[1], "")
	default:
		return errUsage
	}
	c.say("%s holds the %s lock", args[1], args[0])
	return nil
}

func (c *console) unlock([]string) error {
	c.current.Config().UnlockConfig("")
	c.current.Config().UnlockCommit("")
	c.say("no lock is held")
	return nil
}

func (c *console) config([]string) error {
	c.say("%s", c.current.Config().Running())
	return nil
}

func (c *console) candidate([]string) error {
	c.say("%s", c.current.Config().Candidate())
	return nil
}
