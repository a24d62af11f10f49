package main

import "github.com/spf13/cobra"

func doctorCommand(w world) *cobra.Command {
	var o output
	c := &cobra.Command{
		Use:   "doctor",
		Short: "what this machine allows, and how to get what is missing",
		Long:  "Look at what this machine and this user allow, which engine would be used, and how to get what is missing.",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return w.doctor(c.Context(), w, o) },
	}
	c.Flags().VarP(&o, "output", "o", "write `FORMAT` (text, json)")
	c.ValidArgsFunction = cobra.NoFileCompletions
	return c
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(nil, "%s takes no arguments", c.CommandPath())
	}
	return nil
}
