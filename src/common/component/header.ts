/** The first bytes of a component: magic number, version 13, layer 1. */
export const COMPONENT_HEADER = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00] as const;

/** Whether a binary says that it is a component, of whatever version of the format. */
export const isComponent = (bytes: Uint8Array): boolean =>
  COMPONENT_HEADER.every((byte, index) => index === 4 || index === 5 || bytes[index] === byte);
