package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent/display"
	"activedefense/agent/members"
	"activedefense/config"
	"activedefense/store"
)

func newMembersCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "members",
		Short: "List the agents on one database, and forget one that is gone",
		Long: `Agents that share a PostgreSQL know of each other: none blocks what another never blocks, and none releases quiet sources while
another is silent or behind, because what that one has not read may be activity.`,
		Args: ofSubcommands,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List the agents on this database",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withStore(c.Context(), forStore, func(cfg *config.Config, st *store.Store) error { return a.listMembers(c.Context(), cfg, st) })
		},
	}, &cobra.Command{
		Use:   "forget NAME",
		Short: "Forget an agent that is gone for good: what waits for it waits no longer",
		Long: `Forgets an agent that has given no sign of life for a minute. Quiet sources are released again, and what it alone never blocked is no
longer guarded: name that in never_block of another agent first. What only its label files listed is released. An agent that comes back is a member again by itself.`,
		Args: exactlyOne("the NAME of an agent, as members list has it"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.toChange(c.Context(), forStore, func(_ *config.Config, st *store.Store) error { return a.forgetMember(c.Context(), st, args[0]) })
		},
	})
	return c
}

func (a *app) listMembers(ctx context.Context, cfg *config.Config, st *store.Store) error {
	list, err := st.Members(ctx)
	if err != nil {
		return err
	}
	var here *members.Status // what the daemon of this host says of itself: in the database is what it said last
	if cfg.Admin.Listen != "" {
		if daemon, err := fetchStatus(ctx, adminURL(cfg.Admin.Listen), sameStoreTimeout); err == nil {
			if i := slices.IndexFunc(daemon.Members, func(m members.Status) bool { return m.Self }); i >= 0 {
				here = &daemon.Members[i]
			}
		}
	}
	t := display.NewTable(a.stdout, "AGENT", "HOST", "VERSION", "STATE", "LAST SIGN OF LIFE", "NEVER BLOCKS", "FIREWALLS")
	for i := range list {
		m := members.Of(&list[i], 0)
		if here != nil && m.Name == here.Name && m.Host == here.Host && m.Started.Equal(here.Started) {
			m.State, m.Behind, m.Since = here.State, here.Behind, here.Since
		}
		if a.json {
			if err := a.printJSON(m); err != nil {
				return err
			}
			continue
		}
		t.Row(m.Name, m.Host, m.Version, m.StateText(), span(list[i].Silence)+" ago", grouped(m.Guarded), strings.Join(m.Firewalls, ", "))
	}
	if a.json {
		return nil
	}
	return t.Flush()
}

// forgetMember forgets all silent agents of a name: one that lost its state folder leaves an entry beside its new one.
func (a *app) forgetMember(ctx context.Context, st *store.Store, name string) error {
	list, err := st.Members(ctx)
	if err != nil {
		return err
	}
	var there []string
	for _, m := range list {
		there = append(there, m.Name+" (on "+m.Host+")")
	}
	list = slices.DeleteFunc(list, func(m store.Member) bool { return m.Name != name })
	if len(list) == 0 {
		known := "this database has no agent yet"
		if len(there) > 0 {
			known = "this database has " + strings.Join(there, ", ")
		}
		return usageErrorf("no agent is called %q: %s", name, known)
	}
	var alive *store.Member
	forgotten := 0
	for i := range list {
		done, err := a.forget(ctx, st, &list[i])
		if err != nil {
			return err
		}
		if done {
			forgotten++
		} else {
			alive = &list[i]
		}
	}
	if forgotten == 0 {
		return fmt.Errorf("agent %s on %s gave a sign of life %s ago, so it is not forgotten: stop it there for good, and repeat this a minute later; "+
			"if it only is behind, activedefense status on that host says what keeps it", alive.Name, alive.Host, span(alive.Silence))
	}
	return nil
}

// forget forgets one agent, if it is silent, and says so.
func (a *app) forget(ctx context.Context, st *store.Store, m *store.Member) (done bool, err error) {
	if m.Silence <= members.SilentAfter {
		return false, nil
	}
	// First, for when this is broken off it can be repeated.
	released, err := st.UnlistAll(ctx, m.ID, "agent "+m.Name+", which listed it, was forgotten", time.Now())
	if err != nil {
		return false, err
	}
	if done, err = st.Forget(ctx, m.ID, members.SilentAfter); err != nil || !done {
		return false, err
	}
	if a.json {
		return true, a.printJSON(map[string]any{"forgotten": m.Name, "host": m.Host, "seen_at": m.Seen.UTC().Format(time.RFC3339Nano), "guarded": m.Guarded, "released": released})
	}
	fmt.Fprintf(a.stdout, "Forgot agent %s on %s, which had given no sign of life for %s. The %s that it never blocked are no longer guarded for it.\n",
		display.Harmless(m.Name), display.Harmless(m.Host), span(m.Silence), display.Plural(m.Guarded, "entry"))
	if released > 0 {
		fmt.Fprintf(a.stdout, "%s that only its label files listed: released.\n", display.Plural(released, "address"))
	}
	return true, nil
}
