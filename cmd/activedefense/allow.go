package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/config"
)

func newAllowCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "allow",
		Short: "Show and change what is never blocked, beside never_block of the configuration",
		Long: `The allow-list is kept in the database, for all agents on it, and wins over every rule, hold and manual block, like never_block. It holds
addresses, networks and names. A name is resolved every minute, as this host resolves names; one that fails keeps its addresses.`,
		Args: ofSubcommands,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List what persons allow",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return listAllowed(c.Context(), a) },
	}, newAllowAddCommand(a), newAllowRemoveCommand(a), newAllowImportCommand(a))
	return c
}

func listAllowed(ctx context.Context, a *app) error {
	client, done, err := a.ask(ctx, reads, a.needing(forStore...))
	if err != nil {
		return err
	}
	defer done()
	t := display.NewTable(a.stdout, "ENTRY", "ADDRESSES", "UNTIL", "SINCE", "BY", "REASON")
	n := 0
	err = api.Each(ctx, client, "allow", nil, "allowed", &struct{}{}, func(e *api.Allowed) error {
		n++
		if a.json {
			return a.printJSON(e)
		}
		addresses, until := "", "it is removed"
		if e.Resolved != nil {
			addresses = strings.Join(e.Addresses, " ")
		}
		if e.Until != nil {
			until = display.LocalTime(*e.Until)
		}
		if e.Trouble != "" {
			e.Reason += " (" + e.Trouble + ")"
		}
		t.Row(e.Entry, addresses, until, display.LocalTime(e.Since), e.By, e.Reason)
		return nil
	})
	if err != nil {
		return asked(err)
	}
	if n == 0 && !a.json {
		fmt.Fprintln(a.stdout, "nothing is allowed beside never_block")
		return nil
	}
	if a.json {
		return nil
	}
	return t.Flush()
}

// allowAddCommand is `allow add`.
type allowAddCommand struct {
	*app
	reason, length, until string
}

func newAllowAddCommand(a *app) *cobra.Command {
	add := &allowAddCommand{app: a}
	c := &cobra.Command{
		Use:   "add ADDR|CIDR|NAME... [--reason TEXT] [--for 24h | --until 2027-01-31]",
		Short: "Never block addresses, networks or names, and lift what is blocked of them",
		Long: `Puts addresses, networks or names on the allow-list. What is blocked, held or observed of them is released at once, whatever it was for, and
shown. When the time is over, or "allow remove" ends it, only what they do afterwards is evidence. One that is on the list already
gets the new reason and end.`,
		Args: atLeastOne("an address, a network or a name"),
		RunE: func(c *cobra.Command, args []string) error {
			until, err := endOf(add.length, add.until, time.Now())
			if err != nil {
				return err
			}
			var entries []api.Allowing
			for _, arg := range args {
				entries = append(entries, api.Allowing{Entry: arg, Reason: add.reason, Until: until})
			}
			return allow(c.Context(), add.app, entries)
		},
	}
	c.Flags().StringVar(&add.reason, "reason", "", "`TEXT` with the reason")
	c.Flags().StringVar(&add.length, "for", "", "for this `TIME`, such as 24h or 7d")
	c.Flags().StringVar(&add.until, "until", "", "until this `TIME`: 2027-01-31 (its beginning, here), or RFC 3339")
	return c
}

// endOf reads when something is to end, as a duration or a time; nil: neither is given.
func endOf(length, until string, now time.Time) (*time.Time, error) {
	switch {
	case length != "" && until != "":
		return nil, usageErrorf("--for and --until say the same: give one of them")
	case length != "":
		d, err := config.ParseDuration(length)
		if err != nil || d <= 0 {
			return nil, usageErrorf("--for %q: use a duration such as 24h or 7d", length)
		}
		end := now.Add(d)
		return &end, nil
	case until == "":
		return nil, nil
	}
	if _, err := config.ParseDuration(until); err == nil {
		return nil, usageErrorf("--until %q: use a date such as 2027-01-31, or RFC 3339; --for takes a duration", until)
	}
	end, err := parseTime("--until", until, now)
	if err != nil {
		return nil, err
	}
	if !end.After(now) {
		return nil, usageErrorf("--until %s is over", until)
	}
	return &end, nil
}

// allow has entries allowed, and names those that are not.
func allow(ctx context.Context, a *app, entries []api.Allowing) error {
	client, done, err := a.ask(ctx, changes, a.needing(forRelease...))
	if err != nil {
		return err
	}
	defer done()
	refused, err := allowAll(ctx, a, client, entries)
	if err != nil {
		return asked(err)
	}
	for _, r := range refused {
		fmt.Fprintln(a.stderr, display.Harmless(r.Why))
	}
	if len(refused) > 0 {
		return fmt.Errorf("%s of %d not allowed", plural(len(refused), "entry"), len(entries))
	}
	return nil
}

// allowAll has entries allowed, says what came of it, and gives those that are not.
func allowAll(ctx context.Context, a *app, client *api.Client, entries []api.Allowing) ([]api.Refused, error) {
	var out api.AllowedNow
	if err := client.Post(ctx, "allow", api.Allowing{Entries: entries}, &out); err != nil {
		return nil, err
	}
	for i := range out.Allowed {
		e := &out.Allowed[i]
		if a.json {
			if err := a.printJSON(e); err != nil {
				return nil, err
			}
			continue
		}
		text := e.Entry + " is never blocked"
		if e.Until != nil {
			text += " until " + display.LocalTime(*e.Until)
		}
		if e.Resolved != nil {
			text += ": " + strings.Join(e.Addresses, ", ")
		}
		if e.Trouble != "" {
			text += "; " + e.Trouble
		}
		fmt.Fprintln(a.stdout, display.Harmless(text))
	}
	for _, e := range out.Lifted {
		if a.json {
			if err := a.printJSON(e); err != nil {
				return nil, err
			}
			continue
		}
		fmt.Fprintf(a.stdout, "%s is released; it was on the blacklist since %s (%s: %s)\n", e.Address, display.LocalTime(e.BlockedAt), e.Rule, display.Harmless(e.Reason))
	}
	return out.Refused, nil
}

func newAllowRemoveCommand(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "remove ADDR|CIDR|NAME... [--reason TEXT]",
		Short: "Take entries off the allow-list; only what they do afterwards is evidence",
		Args:  atLeastOne("an entry of the allow-list"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			client, done, err := a.ask(ctx, changes, a.needing(forRelease...))
			if err != nil {
				return err
			}
			defer done()
			return eachOf(args, func(entry string) error {
				var gone api.Allowed
				if err := client.Delete(ctx, "allow/"+api.Escape(entry), url.Values{"reason": {reason}}, &gone); err != nil {
					return asked(err)
				}
				if a.json {
					return a.printJSON(gone)
				}
				fmt.Fprintf(a.stdout, "%s is no longer allowed; it was since %s. Only what comes from now on is evidence.\n", gone.Entry, display.LocalTime(gone.Since))
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "`TEXT` with the reason")
	return c
}
