import { SetMetadata } from '@nestjs/common';

/**
 * The metadata that the decorators of @nestjs/swagger write, without the package: it takes a second
 * to load and is needed by few processes.
 */
export const OPENAPI = {
  operation: 'swagger/apiOperation',
  parameters: 'swagger/apiParameters',
  consumes: 'swagger/apiConsumes',
  responses: 'swagger/apiResponse',
  security: 'swagger/apiSecurity',
  excluded: 'swagger/apiExcludeEndpoint',
  tags: 'swagger/apiUseTags',
} as const;

/** A route, or all routes of a controller, take a key: `DocumentBuilder.addBearerAuth()`. */
export const needsBearer: ClassDecorator & MethodDecorator = SetMetadata(OPENAPI.security, [{ bearer: [] }]);

/** The tag of a controller's routes in an OpenAPI document. */
export function documentTag(tag: string): ClassDecorator {
  return SetMetadata(OPENAPI.tags, [tag]);
}
