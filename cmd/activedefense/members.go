package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent/api"
	"activedefense/agent/display"
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
			return a.listMembers(c.Context())
		},
	}, &cobra.Command{
		Use:   "forget NAME",
		Short: "Forget an agent that is gone for good: what waits for it waits no longer",
		Long: `Forgets an agent that has given no sign of life for a minute. Quiet sources are released again, and what it alone never blocked is no
longer guarded: name that in never_block of another agent first. What only its label files listed is released. An agent that comes back is a member again by itself.`,
		Args: exactlyOne("the NAME of an agent, as members list has it"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.forgetMember(c.Context(), args[0])
		},
	})
	return c
}

func (a *app) listMembers(ctx context.Context) error {
	client, done, err := a.ask(ctx, reads, a.needing(forStore...))
	if err != nil {
		return err
	}
	defer done()
	var out api.Members
	if err := client.Get(ctx, "members", nil, &out); err != nil {
		return asked(err)
	}
	t := display.NewTable(a.stdout, "AGENT", "HOST", "VERSION", "STATE", "LAST SIGN OF LIFE", "NEVER BLOCKS", "FIREWALLS")
	for _, m := range out.Members {
		if a.json {
			if err := a.printJSON(m); err != nil {
				return err
			}
			continue
		}
		t.Row(m.Name, m.Host, m.Version, m.StateText(), span(seconds(m.Silence))+" ago", grouped(m.Guarded), strings.Join(m.Firewalls, ", "))
	}
	if a.json {
		return nil
	}
	return t.Flush()
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// forgetMember forgets all silent agents of a name, and says so.
func (a *app) forgetMember(ctx context.Context, name string) error {
	client, done, err := a.ask(ctx, changes, a.needing(forStore...))
	if err != nil {
		return err
	}
	defer done()
	var out api.Forgotten
	if err := client.Delete(ctx, "members/"+api.Escape(name), nil, &out); err != nil {
		return asked(err)
	}
	for _, m := range out.Forgotten {
		if a.json {
			if err := a.printJSON(map[string]any{"forgotten": m.Name, "host": m.Host, "seen_at": m.Seen.UTC().Format(time.RFC3339Nano), "guarded": m.Guarded, "released": m.Released}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(a.stdout, "Forgot agent %s on %s, which had given no sign of life for %s. The %s that it never blocked are no longer guarded for it.\n",
			display.Harmless(m.Name), display.Harmless(m.Host), span(seconds(m.Silence)), display.Plural(m.Guarded, "entry"))
		if m.Released > 0 {
			fmt.Fprintf(a.stdout, "%s that only its label files listed: released.\n", display.Plural(m.Released, "address"))
		}
	}
	return nil
}
