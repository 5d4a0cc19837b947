/** Method numbers. Even: request; odd: the response to the number before it; 32768 and above: notification. Never changed. */
export const Method = {
  empty: 0,
  error: 1,
  statusRequest: 2,
  statusResponse: 3,
  pluginInitRequest: 4,
  pluginInitResponse: 5,
  newTargetRequest: 6,
  newTargetResponse: 7,
  warmTargetRequest: 8,
  warmTargetResponse: 9,
  drainTargetRequest: 10,
  drainTargetResponse: 11,
  closeTargetRequest: 12,
  closeTargetResponse: 13,
  newFrontendRequest: 14,
  newFrontendResponse: 15,
  startFrontendRequest: 16,
  startFrontendResponse: 17,
  stopFrontendRequest: 18,
  stopFrontendResponse: 19,
  closeFrontendRequest: 20,
  closeFrontendResponse: 21,
  reloadRequest: 22,
  reloadResponse: 23,
  flowsRequest: 24,
  flowsResponse: 25,
  subscribeRequest: 26,
  subscribeResponse: 27,
  frontendShouldWarmNotification: 32768,
  eventNotification: 32769,
  eventsLostNotification: 32770,
} as const;

/** The number by which a success is answered: the odd one that follows; `empty` has none (1 is the error) and answers itself. */
export function responseTo(request: number): number {
  return request === Method.empty ? Method.empty : request + 1;
}

/** For people: "new target request (6)". */
export function describeMethod(method: number): string {
  const name = Object.entries(Method).find(([, number]) => number === method)?.[0];
  if (name === undefined) return `unknown method ${method}`;
  return `${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} (${method})`;
}
