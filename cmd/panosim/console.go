package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// console carries out commands on the machines of a lab.
type console struct {
	lab     *lab
	current device // what commands are about
	vsys    string // of it, for packets and tags; "" is the first
}

// serve carries out the commands that are read, until one says to quit or the context ends. The end of the input
// ends nothing: the program may run without one.
func (c *console) serve(ctx context.Context, in io.Reader) {
	lines := make(chan string)
	// Ends with its input, or after the context at the next line: a read of a terminal cannot be interrupted.
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(in)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case text, open := <-lines:
			if !open {
				lines = nil
				continue
			}
			words := strings.Fields(text)
			if len(words) == 0 {
				continue
			}
			if words[0] == "quit" {
				return
			}
			if err := c.execute(words[0], words[1:]); err != nil {
				c.lab.printer.line("panosim", "error: %v", err)
			}
		}
	}
}

// errUsage has execute show how the command is used.
var errUsage = errors.New("wrong arguments")

// execute carries out one command.
func (c *console) execute(name string, args []string) error {
	for _, v := range commands() {
		if v.name != name {
			continue
		}
		if err := v.run(c, args); err != nil {
			if errors.Is(err, errUsage) {
				return fmt.Errorf("%w; usage: %s %s", err, v.name, v.usage)
			}
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	return fmt.Errorf("no command %q; \"help\" lists them", name)
}

// say answers about the machine that commands are about.
func (c *console) say(format string, args ...any) {
	c.lab.printer.line(c.current.name, format, args...)
}

// A verb is one command.
type verb struct {
	name, usage, help string
	run               func(*console, []string) error
}

// commands lists them in the order of the help.
func commands() []verb {
	return []verb{
		{"help", "", "this list", (*console).help},
		{"status", "", "every machine: address, state, what is registered, calls so far", (*console).status},
		{"use", "NAME [VSYS]", "the machine that the following commands are about, and for packets and tags its virtual system", (*console).use},
		{"packet", "SOURCE DESTINATION PORT [FROM [TO]]", "a new TCP connection between two zones (untrust, trust): what the policy decides", (*console).packet},
		{"scan", "SOURCE DESTINATION [PORTS]", "short connections to so many ports (11) from untrust to trust", (*console).scan},
		{"attack", "SOURCE DESTINATION PORT [FROM [TO]]", "a connection with a critical attack in it, if the rule looks for vulnerabilities", (*console).attack},
		{"login", "CLIENT USER [portal|gateway|admin] [TIMES]", "failed logins (1), to the gateway if nobody says where", (*console).login},
		{"sessions", "", "the connections that stand", (*console).sessions},
		{"tags", "[TAG]", "registered addresses with their tags", (*console).tags},
		{"tag", "ADDRESS TAG [TIMEOUT]", "register a tag as another owner", (*console).tag},
		{"untag", "ADDRESS [TAG]", "take a tag off as another owner; without one, all", (*console).untag},
		{"rules", "[VSYS]", "security rules in their order", (*console).rules},
		{"lists", "[VSYS]", "External Dynamic Lists, and what it holds of them", (*console).lists},
		{"jobs", "", "the list of jobs", (*console).jobs},
		{"config", "", "the running configuration", (*console).config},
		{"candidate", "", "the candidate configuration", (*console).candidate},
		{"edit", "ADMIN set|edit|delete|move XPATH [XML]", "an edit of an administrator, not committed", (*console).edit},
		{"commit", "[ADMIN]", "commit everything that is pending, as an administrator (admin)", (*console).commit},
		{"lock", "config | commit ADMIN", "an administrator takes a lock", (*console).lock},
		{"unlock", "", "all locks are given back", (*console).unlock},
		{"role", "ADMIN superuser | RIGHT...", "what an administrator may over the API: op, user-id, config, commit...", (*console).role},
		{"fault", "EFFECT [CALLS [DELAY]] | none", "what the next calls meet (0: all), as \"fault html 3\"", (*console).fault},
		{"storm", "SEED | none", "calls meet all faults in an order that the seed decides", (*console).storm},
		{"latency", "DURATION", "how long every call takes at least", (*console).latency},
		{"dialect", "DIALECT", "how it behaves where no source is certain; \"plain\" is the usual", (*console).dialect},
		{"certificate", "valid | expired | other-name | stranger", "which certificate new connections see", (*console).certificate},
		{"down", "", "refuse connections", (*console).down},
		{"up", "", "accept them again", (*console).up},
		{"reboot", "", "restart, with everything that clients meet meanwhile", (*console).reboot},
		{"failover", "", "the passive member of the pair becomes active", (*console).failover},
		{"suspend", "", "take this member out of the pair", (*console).suspend},
		{"resume", "", "bring it back", (*console).resume},
		{"push", "GROUP", "push a device group of the Panorama", (*console).push},
		{"quit", "", "stop", nil},
	}
}
