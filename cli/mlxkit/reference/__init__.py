"""The reference: manual pages, completion and a block of the README, written from the live command tree."""
