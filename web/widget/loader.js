/** @file The one script that a site loads: adds the chat to its page. */

export {};
